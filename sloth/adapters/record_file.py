"""Records as files that people carry around: exported sealed as they are or in plain, and read back."""

from __future__ import annotations

import json
from pathlib import Path

from sloth.adapters.durable import create_file, explained
from sloth.adapters.record_json import NewerRecord, dump, parse
from sloth.adapters.vault import is_sealed
from sloth.contracts.state import History
from sloth.errors import StateError, UsageError
from sloth.model.record import SCHEMA, Record


def write_export(path: Path, data: bytes) -> None:
    """A new file, mode 0600. Raises UsageError if it exists, StateError if it cannot be written."""
    with explained(path.parent):
        try:
            create_file(path, data)
        except FileExistsError as error:
            raise UsageError(
                "usage/file-exists", f"{path} exists and is not overwritten", where=str(path), hint="give another name"
            ) from error


def in_plain(record: Record) -> bytes:
    """The record with its secrets, for a file that nobody else reads. `read_export` reads it."""
    return json.dumps(json.loads(dump(record)), indent=2).encode() + b"\n"


def read_export(path: Path, state: History, cluster: str) -> Record:
    """The record in a file, sealed or plain, of that cluster. Raises UsageError, StateError."""
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise UsageError(
            "usage/no-file", f"{path} cannot be read", detail=str(error), where=str(path), hint=f"ls -l {path}"
        ) from error
    record = state.opened(blob, str(path)) if is_sealed(blob) else _plain(blob, path)
    if record.cluster != cluster:
        raise StateError(
            "state/other-cluster", f"{path} holds the record of {record.cluster}, not of {cluster}", where=str(path),
            hint=f"sloth state import {path} --cluster {record.cluster}",
        )  # fmt: skip
    return record


def _plain(blob: bytes, path: Path) -> Record:
    try:
        record = parse(blob)
        if record.schema > SCHEMA:
            raise NewerRecord(f"its schema is {record.schema}, this one knows {SCHEMA}")
    except NewerRecord as error:
        raise StateError(
            "state/newer", f"{path} was written by a newer sloth ({error})", where=str(path),
            hint="pip install --upgrade sloth-kubernetes",
        ) from error  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StateError(
            "state/no-export", f"{path} is no record that sloth exported", detail=f"{type(error).__name__}: {error}",
            where=str(path), hint="sloth state export FILE makes one",
        ) from error  # fmt: skip
    return record
