"""Where records live."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Version:
    """One saved revision of a record, as far as it can be told without opening it."""

    revision: int
    current: bool = False
    saved: str = ""  # UTC, ISO 8601; empty for what was saved by a version of sloth that did not note it
    by: str = ""  # user@host
    verb: str = ""
    size: int = 0  # bytes
    damaged: bool = False


class History(Protocol):
    """What a state may keep besides the current record: its last revisions. All methods raise StateError."""

    def versions(self) -> list[Version]:
        """All revisions that are kept, the newest first."""

    def sealed(self, revision: int = 0) -> bytes:
        """One revision as it is kept, encrypted; 0 = the current one."""

    def revision(self, revision: int = 0) -> Record:
        """One revision, opened; 0 = the current one."""

    def opened(self, blob: bytes, where: str) -> Record:
        """A sealed record from elsewhere, `where`, that must be of this cluster."""

    def restore(self, record: Record) -> Record:
        """Save this as a new revision over whatever is there, even what cannot be opened. A newer one is not overwritten."""


class Kept(State, History, Protocol):
    """A state as the command line uses it."""

    @property
    def note(self) -> str:
        """Whose lock this run took over; empty if nobody's."""

    @property
    def holder(self) -> str:
        """Who holds the lock, in words; empty if nobody."""
