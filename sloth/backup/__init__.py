"""Backups, as far as they can be thought about without touching anything: names, manifests, retention, texts for nodes."""
