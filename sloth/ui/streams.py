"""Listeners that write lines: plain text for pipes and CI, JSON lines, and the full log file."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TextIO

from sloth.model.event import Event
from sloth.model.secret import mask
from sloth.ui.progress import Phase, Progress, duration

_EVERY = 10  # seconds between two lines about one long thing
_WORTH = 1.0  # seconds after which a node that was only looked at gets a line all the same


class PlainView:
    """A line when a phase begins and ends, and one per node that was changed, failed or took a while.

    No carriage returns, no colours. Phases that find nothing to do leave no line.
    """

    def __init__(self, stream: TextIO, *, debug: bool = False) -> None:
        self._stream = stream
        self._debug = debug
        self._progress = Progress()
        self._announced: set[str] = set()
        self._last: dict[str, float] = {}
        utf = (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")
        self._good, self._bad, self._arrow = ("✓", "✗", "→") if utf else ("ok", "FAILED", "->")

    def take(self, event: Event) -> None:
        """Write what people want to know of this event."""
        phase = self._progress.fold(event)
        if phase and not event.kind.startswith("phase-"):
            self._announce(phase)
        if event.kind == "phase-finished" and phase:
            self._finished(event, phase)
        elif event.kind in ("note", "warning", "failure"):
            self._say(event)
        elif event.kind in ("machine", "progress"):
            self._item(event)
        elif event.kind == "script-finished" and phase:
            self._node(event, phase)
        elif event.kind == "step-finished" and self._debug:
            how = "changed" if event.changed else ""
            self._line(f"    {self._mark(event.ok)} {event.node}: {event.title}{_in_brackets(how, event.predicted)}")

    def _announce(self, phase: Phase) -> None:
        if phase.title not in self._announced:
            self._announced.add(phase.title)
            self._line(f"{self._arrow} {phase.title}")

    def _finished(self, event: Event, phase: Phase) -> None:
        words = phase.in_words(changed=event.changed)
        took = duration(event.at - phase.began)
        self._line(f"{self._mark(event.ok)} {phase.title}: {took}{', ' if words else ''}{words}")
        self._announced.discard(phase.title)

    def _node(self, event: Event, phase: Phase) -> None:
        work = phase.nodes[event.node]
        took = event.at - work.began
        told = event.changed and not work.predicted  # what would change is in the plan itself
        if told or not event.ok or took >= _WORTH:
            words = "" if event.ok else f", failed at: {work.last}" if work.last else ", failed"
            words += f", {work.changes} changes" if work.changes > 1 else ", 1 change" if work.changes else ""
            self._line(f"  {self._mark(event.ok)} {event.node}: {duration(took)}{words}")

    def _say(self, event: Event) -> None:
        mark = {"warning": "warning: ", "failure": f"{self._bad} ", "note": "  "}[event.kind]
        where = f"{event.node}: " if event.node else ""
        self._line("\n    ".join([f"{mark}{where}{event.title}", *event.detail.strip().splitlines()]))

    def _item(self, event: Event) -> None:
        """A line when something begins or is complete, and at most one in ten seconds besides.

        What a machine without a count says is new each time.
        """
        name = ": ".join(part for part in (event.node, event.title) if part)
        complete = event.total > 0 and event.done >= event.total
        told = self._last.get(name)
        new = event.kind == "machine" and not event.total
        if new or complete or told is None or event.at - told >= _EVERY:
            self._last[name] = event.at
            share = f" {100 * event.done / event.total:.0f}%" if event.total else ""
            self._line(f"  {name}{share}{' ' + event.detail if event.detail else ''}")
        if complete:
            del self._last[name]  # it may begin anew

    def _mark(self, ok: bool) -> str:
        return self._good if ok else self._bad

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to end."""


def _in_brackets(*words: str | bool) -> str:
    said = ["predicted" if word is True else word for word in words if word]
    return f" ({', '.join(said)})" if said else ""


class JsonLines:
    """`--log-format json`: one object per event, with the fields of `sloth.model.event.Event`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def take(self, event: Event) -> None:
        """Write the event."""
        self._stream.write(json.dumps(asdict(event)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to end."""


class LogFile:
    """Everything that happened, in a file that only the user reads. Python's own log records go there too.

    Events come masked (`sloth.engine.bus`); log records are masked here.

    Each line is in the file when the call returns, so that a killed run leaves its log.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _private(path.parent)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._stream = os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace", buffering=1)
        self._lock = Lock()
        self._handler = _Handler(self._write)
        self._logger = logging.getLogger("sloth")
        self._level = self._logger.level
        self._logger.setLevel(logging.DEBUG)  # other libraries keep the root logger's level: warnings
        logging.getLogger().addHandler(self._handler)

    def take(self, event: Event) -> None:
        """Write the event."""
        flags = [name for name in ("changed", "predicted") if getattr(event, name)] + ([] if event.ok else ["FAILED"])
        amount = f"{event.done:g}/{event.total:g}" if event.total else ""
        where = f"[{' '.join(part for part in (event.phase, event.node) if part)}]"
        detail = "".join(f"\n    {line}" for line in event.detail.splitlines())
        self._write(event.at, " ".join(part for part in (event.kind, where, event.title, amount, *flags) if part) + detail)

    def _write(self, at: float, text: str) -> None:
        stamp = _second(int(at))
        with self._lock:
            if not self._stream.closed:
                self._stream.write(f"{stamp}.{int(at % 1 * 1000):03d}Z {text}\n")

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        logging.getLogger().removeHandler(self._handler)
        self._logger.setLevel(self._level)
        with self._lock:
            self._stream.close()


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _private(folder: Path) -> None:
    """The folder and its missing parents, for one user only."""
    if not folder.is_dir():
        _private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


class _Handler(logging.Handler):
    def __init__(self, write: Callable[[float, str], None]) -> None:
        super().__init__()
        self._to = write

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # a log call with wrong arguments must not end a run
            text = f"{record.msg} {record.args}"
        self._to(record.created, mask(f"{record.levelname.lower()} {record.name}: {text}"))
