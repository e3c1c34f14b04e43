"""Where records live."""

from __future__ import annotations

from typing import Protocol

from sloth.model.record import Record


class State(Protocol):
    """One cluster's record and its lock. All methods raise StateError."""

    def load(self) -> Record | None:
        """The record, or None if there is none yet. A damaged or newer one is an error, and is never overwritten."""

    def save(self, record: Record) -> Record:
        """Replace the record atomically if its revision is still the saved one; returns it with the next revision."""

    def lock(self, verb: str) -> None:
        """Take the lock for this process, or raise StateError naming owner, host, pid and age."""

    def unlock(self, *, force: bool = False) -> None:
        """Give the lock back. With `force`, take away another's, unless its owner is alive on this host."""

    def delete(self) -> None:
        """Remove everything that is kept of this cluster."""
