"""Reading the audit log: its entries, and whether every line is as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sloth.errors import StateError
from sloth.kube.audit import files
from sloth.kube.audit.chain import Finding, Mark, Verifier, mark_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many lines were read, the mark of the last good one, and the first that is not as it was written."""

    lines: int
    last: Mark
    finding: Finding | None = None


def verify(folder: Path, anchor: str = "") -> Verdict:
    """Check every line, against the head too. `anchor`: the hash of a line that was noted elsewhere and must be there.

    Only what was there when it began is read, so that others may write meanwhile. Raises StateError.
    """
    paths, size = _snapshot(folder)
    head = files.read_head(folder) if paths else files.Head()
    if head is None:
        return Verdict(0, Mark(), Finding("head", 1, "the file that tells how long the log is cannot be read"))
    verifier = Verifier(head.before, head.last)
    anchored = not anchor or anchor == head.before.hash
    for path in paths:
        lines = list(_lines(path, size if path.name == files.CURRENT else None))
        anchored = anchored or any(mark and mark.hash == anchor for mark in map(mark_of, lines))
        verifier.take(path.name, lines)
    finding = verifier.end(paths[-1].name if paths else files.CURRENT)
    if finding is None and not anchored:
        finding = Finding(files.CURRENT, 1, "no line has the hash that was noted: the log was made anew")
    return Verdict(verifier.lines, verifier.at, finding)


def entries(folder: Path) -> Iterator[dict[str, Any]]:
    """Calls, oldest first, what came of each in `result`: None where that was not written. Damaged lines are passed over.

    Raises StateError.
    """
    paths, size = _snapshot(folder)
    begun: dict[str, dict[str, Any]] = {}
    for path in paths:
        for line in _lines(path, size if path.name == files.CURRENT else None):
            try:
                entry = msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            event, call = entry.get("event"), entry.get("id", "")
            if event == "call":
                yield entry
            elif event == "begin":
                begun[call] = entry
            elif event == "end" and call in begun:
                yield {**begun.pop(call), "result": entry.get("result"), "ms": entry.get("ms"), "attempts": entry.get("attempts")}
    for entry in begun.values():
        yield {**entry, "result": None}


def _snapshot(folder: Path) -> tuple[list[Path], int]:
    """The files in order, and how much of the current one there is."""
    try:
        if not folder.is_dir():
            return [], 0
        with files.locked(folder, shared=True):
            current = folder / files.CURRENT
            there = [current] if current.is_file() else []
            return [*files.old_files(folder), *there], current.stat().st_size if there else 0
    except OSError as error:
        raise StateError(
            "kube/audit-not-read", "the audit log cannot be read", detail=str(error), where=str(folder), hint=f"ls -l {folder}"
        ) from error


def _lines(path: Path, size: int | None) -> Iterator[bytes]:
    data = path.read_bytes()
    data = data if size is None else data[:size]
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    elif data:
        lines[-1] += b"\n(cut short)"  # never whole, whatever stands in it
    return iter(lines)
