"""Records as encrypted files, one folder per cluster: replaced atomically after comparing, never overwritten when unreadable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sloth.adapters.crypt import Sealed, Unsealable, WrongPassphrase, seal, split, unseal
from sloth.adapters.durable import explained, guarded, keep_copy, sync_folder, write_aside
from sloth.adapters.lock_file import LockFile
from sloth.adapters.owner import Owner
from sloth.adapters.paths import cluster_dir, private
from sloth.adapters.record_json import NewerRecord, dump, parse
from sloth.errors import StateError
from sloth.model.record import SCHEMA, Record
from sloth.model.secret import Secret

KEPT = 5  # older revisions beside the current one, as record.REVISION.sloth


class StateFile:
    """`sloth.contracts.state.State` in a directory. Raises UsageError for what cannot be a cluster's name."""

    def __init__(self, root: Path, cluster: str, passphrase: Callable[[], Secret]) -> None:
        self.folder = cluster_dir(root, cluster)
        self._cluster = cluster
        self._path = self.folder / "record.sloth"
        self._ask = passphrase
        self._lock = LockFile(self.folder, cluster)
        self._last: Sealed | None = None  # what was read last; its salt is used again, so that the key is derived once

    @cached_property
    def _passphrase(self) -> Secret:
        return self._ask()

    def load(self) -> Record | None:
        """The record, or None. Raises StateError when it is damaged, newer, or sealed with another passphrase."""
        try:
            blob = self._path.read_bytes()
        except FileNotFoundError:
            if any(self._older()):
                raise self._error("state/damaged", "is missing, but older revisions of it are there", self._way_back()) from None
            return None
        except OSError as error:
            raise self._error("state/unreadable", f"cannot be read: {error.strerror}", f"ls -l {self._path}") from error
        return self._open(blob)

    def save(self, record: Record) -> Record:
        """Write the next revision if `record` is of the current one. Raises StateError."""
        with explained(self.folder), guarded(self.folder / "record.guard"):
            self._lock.check()
            current = self.load()
            revision = current.revision if current else 0
            if revision != record.revision or record.cluster != self._cluster:
                raise self._error(
                    "state/changed-meanwhile",
                    f"was changed by another run (revision {revision}; this run knew {record.cluster} at {record.revision})",
                    "sloth up",
                )
            saved = replace(record, revision=revision + 1)
            about = {"schema": SCHEMA, "cluster": self._cluster, "revision": saved.revision}
            self._replace(seal(dump(saved), self._passphrase, about, like=self._last), revision)
        return saved

    def lock(self, verb: str) -> None:
        """Take the lock for this process. Raises StateError (`state/locked`)."""
        self._lock.take(verb)

    def unlock(self, *, force: bool = False) -> None:
        """Give the lock back; with `force`, take away a dead owner's. Raises StateError."""
        if force:
            self._lock.break_open()
        else:
            self._lock.give_back()

    def owner(self) -> Owner | None:
        """Who holds the lock, if anybody."""
        return self._lock.holder()

    @property
    def note(self) -> str:
        """Whose lock this run took over; empty if nobody's."""
        return self._lock.note

    def delete(self) -> None:
        """Remove everything that is kept of the cluster, our lock included. Raises StateError if another run holds it."""
        # older revisions first: if it is killed in between, they must not say that the record was lost
        self._lock.remove_folder(path for _, path in sorted(self._older()))

    def _open(self, blob: bytes) -> Record:
        try:
            record = self._parse(sealed := split(blob))
        except WrongPassphrase as error:
            hint = "set SLOTH_PASSPHRASE (or SLOTH_PASSPHRASE_FILE) to the one it was made with"
            if sealed.generated:
                key = self.folder.parent.parent / "key"
                hint = f"unset SLOTH_PASSPHRASE and restore {key}, the key file that it was made with"
            raise self._error("state/wrong-passphrase", "is sealed with another passphrase", hint) from error
        except NewerRecord as error:
            hint = "pip install --upgrade sloth-kubernetes"
            raise self._error("state/newer", f"was written by a newer sloth ({error})", hint) from error
        except (Unsealable, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._error("state/damaged", f"is damaged ({error})", self._way_back()) from error
        self._last = sealed
        return record

    def _parse(self, sealed: Sealed) -> Record:
        schema = int(sealed.header.get("schema", 0))
        if schema > SCHEMA:
            raise NewerRecord(f"its schema is {schema}, this one knows {SCHEMA}")
        if sealed.header.get("cluster") != self._cluster:
            raise Unsealable(f"it is the record of cluster {sealed.header.get('cluster')}")
        return parse(unseal(sealed, self._passphrase))

    def _way_back(self) -> str:
        for _, path in sorted(self._older(), reverse=True):
            try:
                self._parse(split(path.read_bytes()))
            except (Unsealable, NewerRecord, ValueError, TypeError, KeyError, AttributeError, OSError):
                continue
            return f"cp {path} {self._path}"
        return f"restore {self._path} from a backup"

    def _older(self) -> Iterator[tuple[int, Path]]:
        for path in self.folder.glob("record.*.sloth"):
            number = path.name.split(".")[1]
            if number.isascii() and number.isdigit():
                yield int(number), path

    def _replace(self, blob: bytes, old: int) -> None:
        private(self.folder)
        aside = write_aside(self._path, blob)
        try:
            if old:
                keep_copy(self._path, self._path.with_name(f"record.{old}.sloth"))
            os.replace(aside, self._path)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(self.folder)
        for revision, path in self._older():
            if not old - KEPT < revision <= old:
                with suppress(OSError):  # it is saved; one file too many is no failure
                    path.unlink(missing_ok=True)

    def _error(self, code: str, what: str, hint: str) -> StateError:
        return StateError(code, f"the record of {self._cluster} {what}", where=str(self._path), hint=hint)


def list_clusters(root: Path) -> list[str]:
    """Names of all clusters that something is remembered of, sorted."""
    return sorted({path.parent.name for path in (root / "clusters").glob("*/record*.sloth")})
