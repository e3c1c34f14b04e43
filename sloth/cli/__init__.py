"""The command line: one file per verb or verb group; each parses, runs a flow and renders. Imports stay light."""
