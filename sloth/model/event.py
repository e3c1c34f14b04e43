"""What happens during a run, as data. Emitted from any thread into one queue with one consumer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "run-started",
    "phase-started",
    "phase-finished",
    "phase-skipped",
    "script-started",  # one node's work in a phase; `total` = steps known so far
    "script-finished",
    "step-started",
    "step-finished",
    "machine",  # progress of one machine or artifact: detail says what
    "progress",  # done/total of something long (a build, an upload)
    "note",
    "warning",
    "failure",
    "run-finished",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that happened."""

    kind: Kind
    phase: str = ""
    node: str = ""
    title: str = ""
    detail: str = ""  # masked
    changed: bool = False
    predicted: bool = False
    ok: bool = True
    done: float = 0
    total: float = 0
    at: float = field(default_factory=time.time)  # Unix seconds
