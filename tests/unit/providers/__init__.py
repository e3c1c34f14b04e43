"""Tests of the bundled providers."""
