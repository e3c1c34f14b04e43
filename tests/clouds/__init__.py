"""Clouds offline: resource graphs of every cloud plugin, and fake clouds behind the real engine."""
