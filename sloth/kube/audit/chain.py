"""The lines of an audit log, without a file: each holds the hash of the one before, and its own.

A line is a JSON object whose last two fields are `prev` and `hash`. `hash` is the SHA-256 of the line's own bytes up to it, so
that any change shows, one of white space too. Three events are the log's own: `torn` names by digest what a crash left half
written before it, `gap` says that the log was found shorter or other than it had been; `opened` begins a file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NOTHING = "0" * 64
"""What stands in place of a hash before the first line."""

_LINE = re.compile(rb'(\{"seq":(\d+),.*,"prev":"([0-9a-f]{64})"),"hash":"([0-9a-f]{64})"\}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the log: the number and the hash of a line. `seq` 0: before the first."""

    seq: int = 0
    hash: str = NOTHING


START = Mark()


@dataclass(frozen=True, slots=True)
class Finding:
    """Where the log is not as it was written: the first line of it, by file and number from 1."""

    file: str
    line: int
    why: str


def sealed(entry: Mapping[str, Any], before: Mark) -> tuple[bytes, Mark]:
    """The entry as the line that follows `before`, its newline included, and that line's mark."""
    body = json.dumps({"seq": before.seq + 1, **entry, "prev": before.hash}, separators=(",", ":"), ensure_ascii=True)
    open_end = body[:-1].encode()
    digest = hashlib.sha256(open_end).hexdigest()
    return open_end + f',"hash":"{digest}"}}\n'.encode(), Mark(before.seq + 1, digest)


def mark_of(line: bytes) -> Mark | None:
    """The mark of a line without its newline that is whole in itself; None if it is not."""
    found = _LINE.fullmatch(line)
    if not found or hashlib.sha256(found[1]).hexdigest().encode() != found[4]:
        return None
    return Mark(int(found[2]), found[4].decode())


def prev_of(line: bytes) -> str:
    """The hash of the line before, as a whole line says it."""
    found = _LINE.fullmatch(line)
    return found[3].decode() if found else ""


def torn(fragment: bytes) -> dict[str, Any]:
    """The entry that owns up to a fragment of a line before it."""
    return {"event": "torn", "bytes": len(fragment), "sha256": hashlib.sha256(fragment).hexdigest()}


class Verifier:
    """Takes the lines of all files in order. `finding` is the first that is not as it was written, `at` the last good mark."""

    def __init__(self, begin: Mark, head: Mark) -> None:
        self.at, self._head = begin, head
        self._met = head == begin
        self._waiting: tuple[str, int, bytes] | None = None
        self.finding: Finding | None = None
        self.lines = self._number = 0

    def take(self, file: str, lines: Iterable[bytes]) -> None:
        """The lines of one file, without their newlines."""
        for number, line in enumerate(lines, 1):
            if self.finding:
                return
            self.lines, self._number = self.lines + 1, number
            self._take(file, number, line)

    def _take(self, file: str, number: int, line: bytes) -> None:
        mark = mark_of(line)
        if self._waiting:
            first, at, fragment = self._waiting
            if not (mark and self._follows(line, mark) and _owns(line, fragment)):
                self.finding = Finding(first, at, "it is not as it was written")
                return
            self._waiting = None
        if mark is None:
            self._waiting = (file, number, line)  # a crash may have cut it short; the next line tells
        elif not self._follows(line, mark):
            self.finding = Finding(file, number, f"it does not follow line {self.at.seq} of the log: lines are missing or moved")
        elif b'"event":"gap"' in line[:200]:
            self.finding = Finding(file, number, "sloth found here that lines before had been taken away or changed")
        else:
            self.at = mark
            self._met = self._met or mark == self._head

    def _follows(self, line: bytes, mark: Mark) -> bool:
        return mark.seq == self.at.seq + 1 and prev_of(line) == self.at.hash

    def end(self, file: str) -> Finding | None:
        """After the last line: the first finding of all, if any. `file` is the last one."""
        if self._waiting and not self.finding:
            self.finding = Finding(self._waiting[0], self._waiting[1], "it is not as it was written")
        if not self.finding and not self._met:
            lost = self._head.seq - self.at.seq
            why = f"the last {lost} lines are missing" if lost > 0 else "the log is not the one that its head file tells of"
            self.finding = Finding(file, self._number + 1, why)
        return self.finding


def _owns(line: bytes, fragment: bytes) -> bool:
    said = json.loads(line)
    return {key: said.get(key) for key in ("event", "bytes", "sha256")} == torn(fragment)
