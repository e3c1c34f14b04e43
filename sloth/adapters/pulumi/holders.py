"""Who holds the engine's lock on a stack: a run that lives is waited for, a dead one's lock is taken away, others are named.

The engine's locks on plain storage never expire and say who made them (pulumi/pulumi, pkg/backend/diy/lock.go). A run of sloth
that was killed leaves its engine to finish what is in flight, so the lock often goes away by itself within seconds.
"""

from __future__ import annotations

import re
import socket
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sloth.adapters.owner import process_start
from sloth.adapters.pulumi.events import Emit
from sloth.errors import StateError
from sloth.model.event import Event

PATIENCE = 120.0  # seconds for a living holder to finish
# Seconds after which a lock of another host is a dead run's. Whoever changes something has the cluster's own lock, which a living
# run would hold; and an engine that says nothing for so long is ended (supervise.STALL), which a killed run cannot do any more.
ABANDONED = 2700.0
_URL = re.compile(r"^\s*(\S+/locks/\S+\.json(?:\?\S*)?): created by", re.MULTILINE)
_LINE = re.compile(r"created by (?P<user>\S+?)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")


class Holders:
    """One operation's dealings with the lock."""

    def __init__(self, cloud: str, emit: Emit, patience: float = PATIENCE) -> None:
        self._cloud, self._emit = cloud, emit
        self._deadline = time.monotonic() + patience
        self._told = False

    def gone(self, text: str) -> bool:
        """Whether all holders that the engine's message names are dead, so that their locks may go.

        A living one on this machine is waited for a moment (then the answer is no: try again). Raises StateError when it lives
        on for too long, or works on another machine.
        """
        found = [match.groupdict() for match in _LINE.finditer(text)]
        here = [holder for holder in found if holder["host"] == socket.gethostname()]
        away = [holder for holder in found if holder not in here and not abandoned(holder["at"])]
        if found and not away and not any(lives(int(holder["pid"])) for holder in here):
            self._emit(Event(kind="note", title=f"{self._cloud}: took over the lock of a run that is dead ({_who(found[0])})"))
            return True
        if away or not found or time.monotonic() > self._deadline:
            raise self._locked(found, text)
        if not self._told:
            self._told = True
            self._emit(Event(kind="note", title=f"{self._cloud}: waiting for another run to finish ({_who(here[0])})"))
        time.sleep(0.5)
        return False

    def forget(self, text: str) -> None:
        """Delete the locks that the engine's message names. Raises StateError where they are no files of this machine."""
        urls = _URL.findall(text)
        files = [Path(unquote(urlsplit(url).path)) for url in urls if url.startswith("file://")]
        if not files or len(files) < len(urls):
            raise self._locked([], "\n".join(urls) or text)
        for file in files:
            file.unlink(missing_ok=True)

    def _locked(self, found: list[dict[str, str]], text: str) -> StateError:
        who = ", ".join(map(_who, found)) or "another run"
        return StateError(
            "engine/locked",
            f"{self._cloud}: {who} is changing the machines of this cluster",
            detail=text.strip().splitlines()[-1] if not found else "",
            hint=f"wait for it (a lock of another host counts for {ABANDONED / 60:.0f} minutes); if it is dead: sloth unlock",
        )


def abandoned(at: str) -> bool:
    """Whether a lock of that time (RFC 3339) is so old that no engine can be at work any more. One without a time is not."""
    try:
        made = datetime.fromisoformat(at)
        return time.time() - made.timestamp() > ABANDONED
    except ValueError:
        return False


def lives(pid: int) -> bool:
    """Whether an engine runs under that number; after a restart of the machine, something else often does."""
    if not process_start(pid):
        return False
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").startswith("pulumi")
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def _who(holder: dict[str, str]) -> str:
    return f"{holder['user']}@{holder['host']}, process {holder['pid']}, since {holder['at']}"
