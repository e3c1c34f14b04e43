"""Benchmarks: every figure beside its floor, measured in the same run. `make bench` runs them all."""
