"""Words of messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 pod`, `2 pods`: a number of things whose plural ends in s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
