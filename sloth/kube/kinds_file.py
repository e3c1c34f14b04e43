"""Discoveries kept in a file between runs, one per server. A file that cannot be read counts as none."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from sloth.kube.discovery import Found


class KindsFile:
    """A file below `folder`, named after the cluster's digest and replaced as a whole."""

    def __init__(self, folder: Path, cluster_id: str) -> None:
        self._path = folder / f"{cluster_id}.msgpack"

    def load(self) -> Found | None:
        """What was kept, or None."""
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=Found)
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return None

    def save(self, found: Found) -> None:
        """Keep it. A cache that cannot be written is no failure."""
        import tempfile

        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.msgpack.encode(found))
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink(missing_ok=True)
