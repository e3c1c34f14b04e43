"""Who holds a lock, and whether that process still lives."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Literal

EXPIRY = 60.0  # seconds without a heartbeat, after which an owner that cannot be looked at counts as dead


@dataclass(frozen=True, kw_only=True)
class Owner:
    """What a lock file says. Times are Unix seconds."""

    user: str
    host: str
    pid: int
    started: str  # of the process; tells a reused pid apart
    verb: str
    since: float
    heartbeat: float
    place: str = ""  # boot and pid namespace: within one place, a pid means the same process

    def as_json(self) -> bytes:
        """The content of a lock file."""
        return json.dumps(asdict(self)).encode()

    def same_run(self, other: Owner | None) -> bool:
        """Whether both are one run of one process."""
        keys = ("host", "place", "pid", "started", "since")
        return other is not None and all(getattr(self, key) == getattr(other, key) for key in keys)

    def state(self, now: float | None = None) -> Literal["alive", "silent", "dead"]:
        """`alive` or `dead` where its process can be looked at, however long it has been silent; elsewhere by its heartbeat.

        `silent`: on another host, and its heartbeat is not of this last minute; the clocks may differ, so it is dead only
        if the heartbeat is old.
        """
        if seen := self.seen():
            return seen
        age = (time.time() if now is None else now) - self.heartbeat
        if age > EXPIRY:
            return "dead"
        return "alive" if age >= -EXPIRY else "silent"

    def seen(self) -> Literal["", "alive", "dead"]:
        """Whether its process is there, if this is its machine; elsewhere empty."""
        if self.place != place() or self.host != socket.gethostname():
            return ""
        started = process_start(self.pid)
        return "alive" if started and started == self.started else "dead"

    def in_words(self) -> str:
        """For messages."""
        return f"{self.user} on {self.host} (pid {self.pid}, `sloth {self.verb}`)"


def this_process(verb: str) -> Owner:
    """The owner that we are, from now on."""
    now, pid = time.time(), os.getpid()
    return Owner(
        user=_user(), host=socket.gethostname(), pid=pid, started=process_start(pid),
        verb=verb, since=now, heartbeat=now, place=place(),
    )  # fmt: skip


def whoami() -> str:
    """user@host, for those who read a history."""
    return f"{_user()}@{socket.gethostname()}"


def parse_owner(text: bytes) -> Owner | None:
    """The owner, or None: a lock that was half written by a process that died is nobody's."""
    try:
        found = json.loads(text)
        owner = Owner(**{f.name: found[f.name] for f in fields(Owner) if f.name in found})
        kinds: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float)}
        good = all(isinstance(getattr(owner, f.name), kinds[str(f.type)]) for f in fields(Owner))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return owner if good else None


@cache
def place() -> str:
    """Where our pids mean what they mean: this boot of this kernel, and this pid namespace. Empty without /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def process_start(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), stat: fields 3 and 22); empty if it is gone or a zombie."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "" if words[0] in "ZX" else words[19]
    except (OSError, IndexError):
        return _without_proc(pid)


def _without_proc(pid: int) -> str:
    """Where there is no /proc (macOS): only whether the process is alive."""
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return "alive"
    except (OSError, OverflowError):
        return ""
    return "alive"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in some containers
        return str(os.getuid())
