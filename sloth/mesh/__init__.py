"""Mesh and pod addressing and WireGuard configuration: pure functions."""
