"""What the engine says while it works, as sloth's events, and as a list of what it did or would do."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sloth.model.event import Event

Emit = Callable[[Event], None]
CHANGES = ("create", "update", "delete", "replace", "import")
_REPLACING = ("create-replacement", "delete-replaced", "replace")
_WORDS = {"create": "create", "update": "update", "delete": "delete", "replace": "replace", "import": "take over"}
_PENDING = re.compile(r"pending (operation|create)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource that the engine changed or would change."""

    token: str  # `hcloud:index/server:Server`
    name: str  # logical name
    action: str  # one of CHANGES
    causes: tuple[str, ...] = ()  # properties that make it so
    urn: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)  # of what is created, secrets masked


UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # in inputs: what is not known before something else is there


@dataclass
class Report:
    """What one operation has said. Filled from the engine's event thread, read after its end (or under the lock)."""

    changes: dict[str, Change] = field(default_factory=dict)  # URN -> change; `replace` wins over its parts
    errors: list[str] = field(default_factory=list)  # texts of error diagnostics
    failed: dict[str, str] = field(default_factory=dict)  # logical name -> what went wrong with it
    kept: set[str] = field(default_factory=set)  # logical names of what stays as it is, and is in the state
    pending: bool = False  # an earlier operation was cut off: something may exist that the state does not know
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, event: Any) -> None:
        """One event of `pulumi.automation`. Nothing may escape from here: the SDK would drop the event with a warning."""
        with self._lock:
            if event.resource_pre_event:
                self._begin(event.resource_pre_event.metadata)
            elif event.diagnostic_event:
                self._say(event.diagnostic_event)

    def _begin(self, meta: Any) -> None:
        action = _action(str(getattr(meta.op, "value", meta.op)))
        if action == "same":
            self.kept.add(name_of(meta.urn))
        if action not in CHANGES or meta.type.startswith("pulumi:"):
            return
        known = self.changes.get(meta.urn)
        if known is None or known.action != "replace":
            causes = tuple(meta.keys or meta.diffs or ())
            inputs = (meta.new.inputs or {}) if action == "create" and meta.new else {}
            change = Change(
                token=meta.type, name=name_of(meta.urn), action=action, causes=causes, urn=meta.urn, inputs=inputs
            )  # fmt: skip
            self.changes[meta.urn] = change

    def _say(self, diagnostic: Any) -> None:
        text = plain(diagnostic.message)
        if _PENDING.search(text):
            self.pending = True
        if diagnostic.severity == "error":
            self.errors.append(text)
            if diagnostic.urn:
                self.failed[name_of(diagnostic.urn)] = text


def _action(op: str) -> str:
    return "replace" if op in _REPLACING else op


def name_of(urn: str) -> str:
    """The logical name at the end of a URN (`urn:pulumi:STACK::PROJECT::TYPE::NAME`)."""
    return urn.rpartition("::")[2]


def plain(text: str) -> str:
    """A message without the engine's colour markup (`<{%reset%}>`)."""
    return re.sub(r"<\{%[^%]*%\}>", "", text).strip()


class Progress:
    """Tells of each resource of one stack as it begins and ends, and how many are done.

    A total is told only where it was known before (0 = it was not): the engine learns of resources while it makes others, so
    whatever it has heard of so far would always be nearly done.
    """

    def __init__(self, emit: Emit, stack: str, total: int = 0) -> None:
        self._emit, self._title, self._total = emit, f"{stack}: resources", total
        self._done = 0
        self._lock = threading.Lock()

    def take(self, event: Any) -> None:
        """One event of `pulumi.automation`."""
        with self._lock:
            if event.resource_pre_event:
                self._step(event.resource_pre_event.metadata, begun=True)
            elif event.res_outputs_event:
                self._step(event.res_outputs_event.metadata, begun=False)

    def end(self) -> None:
        """It went well: what is done is all of it."""
        with self._lock:
            if self._done:
                self._say(f"{self._done} done", self._done)

    def _step(self, meta: Any, *, begun: bool) -> None:
        action = _action(str(getattr(meta.op, "value", meta.op)))
        if action not in CHANGES or meta.type.startswith("pulumi:"):
            return
        self._done += not begun
        total = self._total if self._done < self._total else 0  # only the end is the end, and there may be more than planned
        so_far = f", {self._done} so far" if self._done and not total else ""
        detail = f"{_WORDS[action]} {meta.type.rpartition(':')[2]} {name_of(meta.urn)}"
        self._say(f"{detail}{'' if begun else ': done'}{so_far}", total)

    def _say(self, detail: str, total: int) -> None:
        self._emit(Event(kind="progress", title=self._title, detail=detail, done=self._done, total=total))
