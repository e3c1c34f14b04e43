"""How bad a thing is, and the exit code that says so."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Severity(IntEnum):
    """From good to bad. Unknown is worse than a warning: what is behind it may be anything."""

    HEALTHY = 0
    WARNING = 1
    UNKNOWN = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """As people and JSON see it."""
        return self.name.lower()

    @property
    def exit(self) -> int:
        """The exit code of `status` and `health` (docs/reference/exit-codes.md)."""
        return _EXIT[self]


_EXIT = {Severity.HEALTHY: 0, Severity.WARNING: 4, Severity.UNKNOWN: 5, Severity.CRITICAL: 15}


def worst(severities: Iterable[Severity]) -> Severity:
    """The worst of them. Of nothing at all, nothing is known."""
    return max(severities, default=Severity.UNKNOWN)
