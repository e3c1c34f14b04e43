"""From YAML text to a validated ClusterSpec, with every problem reported at once."""
