"""The stories: one file per verb, each a flat list of phases."""
