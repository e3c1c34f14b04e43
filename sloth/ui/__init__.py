"""Listeners that show events: rich, plain, JSON, log file; and the error panel."""
