"""A record in memory; with a file, it outlives the process. Not encrypted: for tests only."""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sloth.errors import StateError
from sloth.model.record import Record
from sloth.model.secret import Secret


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """Named, because the type itself cannot be found by its name when a pickle is read."""
    return MappingProxyType(values)


class _Pickler(pickle.Pickler):
    """Knows read-only mappings, and has secrets learnt by the masker when they come back."""

    dispatch_table = {
        **copyreg.dispatch_table,
        MappingProxyType: lambda mapping: (_read_only, (dict(mapping),)),
        Secret: lambda secret: (Secret, (secret.reveal(),)),
    }


class MemoryState:
    """A `State` that keeps the contract of compare-and-swap and of the lock. `saves` counts what was written."""

    def __init__(self, file: Path | None = None, *, after_save: Callable[[Record], None] = lambda _record: None) -> None:
        self._file = file
        self._after_save = after_save
        self._record: Record | None = None
        self._owner = ""
        self.saves = 0
        if file is not None and file.is_file():
            self._record = pickle.loads(file.read_bytes())  # noqa: S301  the test wrote it itself

    def load(self) -> Record | None:
        """The record, if there is one."""
        return self._record

    def save(self, record: Record) -> Record:
        """Keep it. Raises StateError when `record` is not of the saved revision."""
        current = self._record.revision if self._record else 0
        if record.revision != current:
            raise StateError(
                "state/changed-meanwhile",
                f"the record has revision {current}, not {record.revision}",
                hint="sloth up",
            )
        self._record = replace(record, revision=current + 1)
        self.saves += 1
        self._write()
        self._after_save(self._record)
        return self._record

    def lock(self, verb: str) -> None:
        """Raises StateError when it is locked already."""
        if self._owner:
            raise StateError("state/locked", f"locked by `sloth {self._owner}`", hint="sloth unlock")
        self._owner = verb

    def unlock(self, *, force: bool = False) -> None:
        """Give the lock back."""
        self._owner = ""

    def delete(self) -> None:
        """Forget everything."""
        self._record = None
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._file is None:
            return
        buffer = io.BytesIO()
        _Pickler(buffer).dump(self._record)
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(buffer.getvalue())
        fresh.replace(self._file)
