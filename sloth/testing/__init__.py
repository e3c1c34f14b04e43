"""Fakes and contract suites, shipped for plugin authors. Fakes fail on the unexpected."""
