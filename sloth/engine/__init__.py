"""The one place that acts: drives scripts, fans out, journals, retries, rehearses."""
