"""Places of backups: a directory of this machine, or a bucket (through the same library as records on an object store)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.adapters.durable import explained, replace_file, sync_folder
from sloth.contracts.backup import Place

if TYPE_CHECKING:
    from sloth.adapters.object_store import ObjectStore
    from sloth.adapters.object_url import StateUrl

OPENED = "opened-"  # folders with opened backups, in the cluster's folder
_PIECE = 1 << 20  # bytes


class FolderPlace:
    """A directory, made if missing, 0700. Files are written aside and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def address(self) -> str:
        """`file:///…`"""
        return f"file://{self._folder}"

    def names(self) -> list[str]:
        """Names of all files; what was being written when somebody was killed is none."""
        with explained(self._folder):
            if not self._folder.is_dir():
                return []
            return sorted(entry.name for entry in self._folder.iterdir() if entry.is_file() and not entry.name.startswith("."))

    def read(self, name: str) -> bytes:
        """A small file."""
        with explained(self._folder):
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return b""

    def write(self, name: str, data: bytes) -> None:
        """A small file."""
        with explained(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(self._folder / name, data)

    def store(self, name: str, source: Path) -> None:
        """A large file: copied aside, synced, renamed."""
        with explained(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            aside = self._folder / f".{name}.part"
            try:
                with (
                    source.open("rb") as reading,
                    open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writing,
                ):
                    shutil.copyfileobj(reading, writing, _PIECE)
                    writing.flush()
                    os.fsync(writing.fileno())
                os.replace(aside, self._folder / name)
                sync_folder(self._folder)
            finally:
                aside.unlink(missing_ok=True)

    def pieces(self, name: str) -> Iterator[bytes]:
        """A large file."""
        with explained(self._folder), (self._folder / name).open("rb") as stream:
            while piece := stream.read(_PIECE):
                yield piece

    def delete(self, name: str) -> None:
        """Remove a file."""
        with explained(self._folder), suppress(FileNotFoundError):
            (self._folder / name).unlink()


class BucketPlace:
    """A folder in a bucket. An object has its name only when all of it has come."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def address(self) -> str:
        """`s3://BUCKET/PREFIX`"""
        return self._store.at("")

    def names(self) -> list[str]:
        """Names of all objects right in the folder."""
        return self._store.names("")

    def read(self, name: str) -> bytes:
        """A small object."""
        return self._store.read(name)

    def write(self, name: str, data: bytes) -> None:
        """A small object."""
        self._store.overwrite(name, data)

    def store(self, name: str, source: Path) -> None:
        """A large object, in several parts where the store knows them."""
        self._store.upload(name, source)

    def pieces(self, name: str) -> Iterator[bytes]:
        """A large object."""
        return self._store.pieces(name)

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._store.delete(name)


def sweep(root: Path) -> None:
    """Delete what runs that were killed have left of opened backups. The cluster's lock must be held."""
    for old in root.glob(f"{OPENED}*"):
        shutil.rmtree(old, ignore_errors=True)


def place_at(address: StateUrl, credentials: dict[str, str] | None = None) -> Place:
    """The place that an address names; `credentials` (`access_key_id`, …) instead of the environment's. Raises StateError."""
    if address.scheme == "file":
        return FolderPlace(address.folder)
    from sloth.adapters.object_store import connect

    return BucketPlace(connect(address, credentials))
