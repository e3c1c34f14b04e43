"""Workloads and nodes: against the fake API server, and against a real one with its controllers."""
