"""What was begun and what was finished, one JSON line each, on disk before the step runs: so a killed run can be told of.

Re-runs trust the nodes, not the journal. Bytes written are linear in the steps; threads that append at the same time share
one fsync.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sloth.errors import StateError
from sloth.model.secret import mask

_FULL = 4 << 20  # bytes after which a new file is begun; one older file is kept


class Recorder(Protocol):
    """Where runs are noted."""

    def begin(self, verb: str) -> None:
        """A run begins."""

    def before(self, phase: str, node: str, titles: Iterable[str]) -> None:
        """These changing steps are about to be sent; returns when that is on disk."""

    def after(self, phase: str, node: str, outcomes: Iterable[tuple[str, bool, bool]]) -> None:
        """Steps are over: title, whether it succeeded, whether it changed something."""

    def finish(self, outcome: str) -> None:
        """The run is over: `ok` or an error's code."""


class NoJournal:
    """For runs that change nothing, such as a rehearsal."""

    def begin(self, verb: str) -> None:
        """Nothing is kept."""

    def before(self, phase: str, node: str, titles: Iterable[str]) -> None:
        """Nothing is kept."""

    def after(self, phase: str, node: str, outcomes: Iterable[tuple[str, bool, bool]]) -> None:
        """Nothing is kept."""

    def finish(self, outcome: str) -> None:
        """Nothing is kept."""


class Journal:
    """An append-only file, mode 0600. Raises StateError when it cannot be written."""

    def __init__(self, path: Path, run: str = "") -> None:
        """`run` names the run in every line; a random one is made if it is empty."""
        self.path = path
        self.run = run or secrets.token_hex(4)
        self._changed = threading.Condition()
        self._lines: list[bytes] = []
        self._queued = 0
        self._durable = 0
        self._busy = False
        self._error: OSError | None = None
        self._file = self._open()

    def begin(self, verb: str) -> None:
        """A run begins."""
        self._append([{"kind": "run", "verb": verb, "pid": os.getpid()}])

    def before(self, phase: str, node: str, titles: Iterable[str]) -> None:
        """These changing steps are about to be sent; returns when that is on disk."""
        self._append({"kind": "before", "phase": phase, "node": node, "step": title} for title in titles)

    def after(self, phase: str, node: str, outcomes: Iterable[tuple[str, bool, bool]]) -> None:
        """Steps are over: title, whether it succeeded, whether it changed something."""
        self._append(
            {"kind": "after", "phase": phase, "node": node, "step": title, "ok": ok, "changed": changed}
            for title, ok, changed in outcomes
        )

    def finish(self, outcome: str) -> None:
        """The run is over: `ok` or an error's code."""
        self._append([{"kind": "end", "outcome": outcome}])

    def close(self) -> None:
        """Close the file; nothing may be appended after it."""
        os.close(self._file)

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.path.exists() and self.path.stat().st_size > _FULL:
                self.path.replace(self.path.with_suffix(".old" + self.path.suffix))
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.fchmod(file, 0o600)
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                os.write(file, b"\n")  # a run that was killed while it wrote: its torn line ends here
        except OSError as error:
            raise self._failure(error) from error
        return file

    def _append(self, entries: Iterable[Mapping[str, Any]]) -> None:
        stamp = {"at": round(time.time(), 3), "run": self.run}
        lines = [_line({**stamp, **entry}) for entry in entries]
        if not lines:
            return
        with self._changed:
            self._lines += lines
            self._queued += len(lines)
            mine = self._queued
            while self._durable < mine and self._error is None:
                if self._busy:
                    self._changed.wait()
                else:
                    self._flush()
            if self._error is not None:
                raise self._failure(self._error)

    def _flush(self) -> None:
        """Called with the lock held, which is given up while the disk works: others queue their lines for the next flush."""
        lines, upto = self._lines, self._queued
        self._lines, self._busy = [], True
        self._changed.release()
        error = None
        try:
            _write(self._file, b"".join(lines))
        except OSError as raised:
            error = raised
        self._changed.acquire()
        self._busy = False
        self._error = error
        if error is None:
            self._durable = upto
        self._changed.notify_all()

    def _failure(self, error: OSError) -> StateError:
        return StateError(
            "state/journal-write",
            f"cannot write the journal {self.path}",
            detail=str(error),
            where=str(self.path),
            hint=f"df -h {self.path.parent}",
        )


def _line(entry: Mapping[str, Any]) -> bytes:
    masked = {key: mask(value) if isinstance(value, str) else value for key, value in entry.items()}
    return json.dumps(masked, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
    os.fdatasync(file)


def read(path: Path) -> list[dict[str, Any]]:
    """All entries of a journal; lines that a killed run left torn are passed over. Empty if there is no file."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


@dataclass(frozen=True)
class Unfinished:
    """A run that has no end in the journal."""

    run: str
    verb: str
    at: float  # Unix seconds of its beginning
    finished: int  # steps
    phase: str  # of the last step begun; "" if none was
    open: tuple[tuple[str, str], ...]  # steps begun and not finished: node, title

    def text(self) -> str:
        """One sentence for the user."""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.at))
        held = ", ".join(f"{node}: {title}" for node, title in self.open[:3])
        more = f" and {len(self.open) - 3} more" if len(self.open) > 3 else ""
        where = f" in “{self.phase}”" if self.phase else ""
        tail = f"; in hand were {held}{more}" if held else ""
        return f"the `sloth {self.verb}` of {when} was cut off{where} after {self.finished} steps{tail}"


def unfinished(path: Path) -> Unfinished | None:
    """The last run, if it never came to its end (not even to a failure)."""
    entries = read(path)
    starts = [entry for entry in entries if entry.get("kind") == "run"]
    if not starts:
        return None
    start = starts[-1]
    mine = [entry for entry in entries if entry.get("run") == start.get("run")]
    if any(entry.get("kind") == "end" for entry in mine):
        return None
    begun = {(e.get("node", ""), e.get("step", "")): e for e in mine if e.get("kind") == "before"}
    over = [(e.get("node", ""), e.get("step", "")) for e in mine if e.get("kind") == "after"]
    last = next((str(e.get("phase", "")) for e in reversed(mine) if e.get("kind") == "before"), "")
    still = tuple(key for key in begun if key not in set(over))
    return Unfinished(str(start.get("run")), str(start.get("verb")), float(start.get("at", 0)), len(over), last, still)
