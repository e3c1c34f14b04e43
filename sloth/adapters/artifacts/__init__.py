"""Binaries and images for nodes: one store, filled from upstream, from a mirror or from source, pinned in `sloth.lock`."""
