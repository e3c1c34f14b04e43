"""Schemas kept in files between runs, by their hash: clusters of one version share them. What cannot be read counts as none."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec


class SchemasFile:
    """One file for each document below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, digest: str) -> dict[str, Any] | None:
        """What was kept, if anything."""
        try:
            return msgspec.msgpack.decode((self._folder / f"{digest}.msgpack").read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return None

    def save(self, digest: str, schemas: dict[str, Any]) -> None:
        """Keep it. A cache that cannot be written is no failure."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.msgpack.encode(schemas))
                Path(name).replace(self._folder / f"{digest}.msgpack")
            except OSError:
                Path(name).unlink(missing_ok=True)
