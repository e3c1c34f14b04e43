"""Tests of the bundled distributions."""
