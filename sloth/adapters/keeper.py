"""What all places for records have in common: compare-and-swap, history, and never overwriting what cannot be read.

A place says how a record is read and replaced there; this says when.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sloth.adapters.crypt import Unsealable, split
from sloth.adapters.owner import Owner, whoami
from sloth.adapters.vault import Vault
from sloth.contracts.state import Version
from sloth.errors import StateError
from sloth.model.record import SCHEMA, Record

KEPT = 10  # older revisions beside the current one, as record.REVISION.sloth


class Lock(Protocol):
    """The lock of a place."""

    note: str

    @property
    def verb(self) -> str:
        """The verb that this process holds it for; empty if it does not."""

    def take(self, verb: str) -> None:
        """Lock. Raises StateError (`state/locked`)."""

    def give_back(self) -> None:
        """Unlock if this process holds it."""

    def break_open(self) -> None:
        """Unlock for a dead owner. Raises StateError while the owner lives."""

    def check(self) -> None:
        """Raise StateError (`state/lock-lost`) if it was taken from us."""

    def holder(self) -> Owner | None:
        """Who holds it, alive or not."""


class Keeper(ABC):
    """`sloth.contracts.state.Kept`, but for the place itself. `local` = what lies on this machine and goes with the record."""

    def __init__(self, vault: Vault, lock: Lock, where: str, local: Path | None = None) -> None:
        self._vault = vault
        self._cluster = vault.cluster
        self._lock = lock
        self._where = where  # of the current record, for messages
        self._local = local

    @abstractmethod
    def _changing(self) -> AbstractContextManager[None]:
        """Around each look-and-change."""

    @abstractmethod
    def _read(self) -> bytes | None:
        """The current record, sealed; None if there is none."""

    @abstractmethod
    def _replace(self, blob: bytes, old: int) -> None:
        """Put `blob` in the place of what `_read` gave last, which is kept as revision `old` (0 = there was nothing)."""

    @abstractmethod
    def _older(self) -> list[int]:
        """Revisions that are kept beside the current one."""

    @abstractmethod
    def _read_older(self, revision: int) -> bytes | None:
        """One of those, sealed; None if it is gone."""

    @abstractmethod
    def _undo(self, revision: int) -> str:
        """What to type to have an older revision back."""

    @abstractmethod
    def _remove(self) -> None:
        """Remove everything, the lock of this process included."""

    def load(self) -> Record | None:
        """The record, or None. Raises StateError when it is damaged, newer, or sealed with another passphrase."""
        blob = self._read()
        if blob is not None:
            return self._vault.open(blob, self._where, self._way_back)
        if self._older():
            raise self._error("state/damaged", "is missing, but older revisions of it are there", self._way_back())
        return None

    def save(self, record: Record) -> Record:
        """Write the next revision if `record` is of the current one. Raises StateError."""
        with self._changing():
            self._lock.check()
            current = self.load()
            revision = current.revision if current else 0
            if revision != record.revision or record.cluster != self._cluster:
                raise self._changed(revision, f"; this run knew {record.cluster} at {record.revision}")
            return self._put(record, revision)

    def restore(self, record: Record) -> Record:
        """Write a new revision over whatever is there. Raises StateError, for one of a newer sloth too."""
        with self._changing():
            self._lock.check()
            return self._put(record, self._there())

    def lock(self, verb: str) -> None:
        """Take the lock for this process. Raises StateError (`state/locked`)."""
        self._lock.take(verb)

    def unlock(self, *, force: bool = False) -> None:
        """Give the lock back; with `force`, take away a dead owner's. Raises StateError."""
        if force:
            self._lock.break_open()
        else:
            self._lock.give_back()

    def delete(self) -> None:
        """Remove everything that is kept of the cluster, our lock included. Raises StateError if another run holds it."""
        self._remove()
        if self._local and not any(self._local.glob("record*.sloth")):  # else another state of that name lives there
            shutil.rmtree(self._local, ignore_errors=True)

    def owner(self) -> Owner | None:
        """Who holds the lock, if anybody."""
        return self._lock.holder()

    @property
    def holder(self) -> str:
        """Who holds the lock, in words; empty if nobody."""
        held = self.owner()
        return held.in_words() if held else ""

    @property
    def note(self) -> str:
        """Whose lock this run took over; empty if nobody's."""
        return self._lock.note

    def versions(self) -> list[Version]:
        """All revisions that are kept, the newest first. Raises StateError."""
        found = [_version(blob, 0, current=True)] if (blob := self._read()) is not None else []
        for revision in sorted(self._older(), reverse=True):
            if (blob := self._read_older(revision)) is not None:
                found.append(_version(blob, revision))
        return found

    def sealed(self, revision: int = 0) -> bytes:
        """One revision as it is kept; 0 = the current one. Raises StateError (`state/no-revision`)."""
        blob = self._read()
        if blob is not None and revision and _version(blob, 0).revision != revision:
            blob = None
        if blob is None and revision:
            blob = self._read_older(revision)
        if blob is None:
            what = f"has no revision {revision} any more" if revision else "is not there"
            hint = f"sloth state list --cluster {self._cluster}" if revision else "sloth state list"
            raise self._error("state/no-revision", what, hint)
        return blob

    def revision(self, revision: int = 0) -> Record:
        """One revision, opened; 0 = the current one. Raises StateError."""
        return self.opened(self.sealed(revision), f"{self._where} (revision {revision})" if revision else self._where)

    def opened(self, blob: bytes, where: str) -> Record:
        """A sealed record, opened. Raises StateError."""
        return self._vault.open(blob, where, self._way_back if where == self._where else lambda: "use another one")

    def _put(self, record: Record, old: int) -> Record:
        saved = replace(record, schema=SCHEMA, revision=old + 1)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._replace(self._vault.seal(saved, {"saved": now, "by": whoami(), "verb": self._lock.verb}), old)
        return saved

    def _there(self) -> int:
        """The revision of what is there, opened or not; what cannot be read at all counts as the one after those before it."""
        blob = self._read()
        lost = max(self._older(), default=-1) + 1
        if blob is None:
            return lost
        try:
            header = split(blob).header
            revision = int(header["revision"])
        except (Unsealable, ValueError, TypeError, KeyError):
            return max(lost, 1)
        if int(header.get("schema", 0)) > SCHEMA:
            raise self._error("state/newer", "was written by a newer sloth", "pip install --upgrade sloth-kubernetes")
        return max(revision, lost)

    def _way_back(self) -> str:
        for revision in sorted(self._older(), reverse=True):
            blob = self._read_older(revision)
            if blob is not None and self._vault.opens(blob):
                return self._undo(revision)
        return f"restore {self._where} from a backup"

    def _changed(self, revision: int, knew: str = "") -> StateError:
        what = f"was changed by another run (revision {revision}{knew})" if revision else f"was changed by another run{knew}"
        return self._error("state/changed-meanwhile", what, "sloth up")

    def _error(self, code: str, what: str, hint: str) -> StateError:
        return self._vault.error(code, what, self._where, hint)


def _version(blob: bytes, revision: int, *, current: bool = False) -> Version:
    try:
        header: dict[str, Any] = split(blob).header
        saved, by, verb = (str(header.get(name, "")) for name in ("saved", "by", "verb"))
        return Version(revision=int(header["revision"]), current=current, saved=saved, by=by, verb=verb, size=len(blob))
    except (Unsealable, ValueError, TypeError, KeyError):
        return Version(revision=revision, current=current, size=len(blob), damaged=True)
