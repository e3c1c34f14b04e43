"""Where backups are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Place(Protocol):
    """A folder of files, each complete from the moment it has its name. All methods raise StateError."""

    @property
    def address(self) -> str:
        """For messages."""

    def names(self) -> list[str]:
        """Names of all files, sorted."""

    def read(self, name: str) -> bytes:
        """A small file; b"" if it is not there."""

    def write(self, name: str, data: bytes) -> None:
        """A small file, whatever was there."""

    def store(self, name: str, source: Path) -> None:
        """A large file."""

    def pieces(self, name: str) -> Iterator[bytes]:
        """A large file, piece by piece."""

    def delete(self, name: str) -> None:
        """Remove a file; none is no error."""
