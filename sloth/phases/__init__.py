"""The phases: pure generators of orders, one file each."""
