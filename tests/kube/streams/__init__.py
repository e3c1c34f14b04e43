"""Streams into pods."""
