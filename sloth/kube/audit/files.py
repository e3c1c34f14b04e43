"""The files of an audit log: `audit.jsonl`, which is written, older ones named after their lines, and the head.

The head says how long the log is at least and where it begins, so that lines taken away at either end are missed. It is written
after the lines that it tells of have reached the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sloth.kube.audit.chain import NOTHING, START, Mark

CURRENT = "audit.jsonl"
_OLD = re.compile(r"audit\.(\d{12})-(\d{12})\.jsonl")


@dataclass(frozen=True, slots=True)
class Head:
    """`before` is the mark before the first line that is kept, `last` that of the newest line known to be on the disk."""

    before: Mark = START
    last: Mark = START


class _Text(msgspec.Struct):
    before: int
    before_hash: str
    last: int
    last_hash: str


def old_files(folder: Path) -> list[Path]:
    """The files that are full, oldest first."""
    return sorted(path for path in folder.iterdir() if _OLD.fullmatch(path.name)) if folder.is_dir() else []


def old_name(first: int, last: int) -> str:
    """The name of a full file with these lines."""
    return f"audit.{first:012}-{last:012}.jsonl"


def last_of(path: Path) -> int:
    """The number of the last line of a full file, by its name."""
    found = _OLD.fullmatch(path.name)
    return int(found[2]) if found else 0


def read_head(folder: Path) -> Head | None:
    """The head, or None if there is none that can be read. Raises OSError."""
    try:
        text = msgspec.json.decode((folder / "head").read_bytes(), type=_Text)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Head(Mark(text.before, text.before_hash or NOTHING), Mark(text.last, text.last_hash or NOTHING))


def write_head(folder: Path, head: Head) -> None:
    """Write it in place: of one length and in one sector, so that a crash leaves the old or the new one. Raises OSError."""
    text = msgspec.json.encode(_Text(head.before.seq, head.before.hash, head.last.seq, head.last.hash)).ljust(255) + b"\n"
    handle = os.open(folder / "head", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.pwrite(handle, text, 0)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold flock(2) on the log's lock file: one writer at a time, of any process and thread. Raises OSError."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def make_private(folder: Path) -> None:
    """The folder, for its owner alone. Raises OSError."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Have new and renamed files survive a power cut. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_current(folder: Path) -> int:
    """A handle that appends to the file that is written; mode 0600 whatever it was. Raises OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(folder / CURRENT, flags, 0o600)
    if os.fstat(handle).st_mode & 0o077:
        os.fchmod(handle, 0o600)
    return handle


def end_of(handle: int, size: int) -> tuple[bytes, bytes]:
    """The last whole line, and what follows it (nothing, unless a crash cut a line short)."""
    block = 8192
    while True:
        at = max(0, size - block)
        data = os.pread(handle, size - at, at)
        whole, newline, fragment = data.rpartition(b"\n")
        line = whole.rpartition(b"\n")
        if at == 0 or (newline and line[1]):
            return (line[2] if newline else b""), fragment
        block *= 4
