"""Frozen data that all other parts exchange. Standard library only; one file per noun."""
