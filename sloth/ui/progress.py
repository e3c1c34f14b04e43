"""What is going on, folded from events: the running phases, their nodes, and long things such as builds. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from sloth.model.event import Event
from sloth.model.words import counted


@dataclass
class Work:
    """One node's scripts in one phase. A batch's steps are announced together, so the first pending one is in hand."""

    began: float
    pending: list[str] = field(default_factory=list)
    done: int = 0
    declared: float = 0  # steps, as its script said when it began
    changes: int = 0
    predicted: bool = False  # a rehearsal's guess is among them
    last: str = ""
    over: bool = False
    ok: bool = True
    at: float = 0.0

    @property
    def total(self) -> float:
        """Steps known so far."""
        return max(self.declared, self.done + len(self.pending))

    @property
    def title(self) -> str:
        """The step in hand, else the last one."""
        return self.pending[0] if self.pending else self.last

    def fold(self, event: Event) -> None:
        """One event of this node."""
        self.at = event.at
        if event.kind == "script-started":
            self.declared, self.over, self.ok = self.done + event.total, False, True
        elif event.kind == "step-started":
            self.pending.append(event.title)
        elif event.kind == "step-finished":
            if event.title in self.pending:
                self.pending.remove(event.title)
            self.done += 1
            self.changes += event.changed
            self.predicted = self.predicted or event.predicted
            self.last, self.ok = event.title, event.ok
        elif event.kind == "script-finished":
            self.pending.clear()
            self.over, self.ok = True, event.ok
            self.declared = self.done


@dataclass
class Item:
    """One machine, artifact or build."""

    name: str
    began: float
    detail: str = ""
    done: float = 0
    total: float = 0  # 0 = not known
    at: float = 0.0

    @property
    def over(self) -> bool:
        """Whether it said that it is complete."""
        return self.total > 0 and self.done >= self.total

    def left(self, now: float) -> float:
        """Seconds that it will still take at its pace so far; 0 while that cannot be told."""
        passed = now - self.began
        if not 0 < self.done < self.total or passed < 2:
            return 0
        return passed * (self.total - self.done) / self.done


@dataclass
class Phase:
    """One phase."""

    title: str
    began: float
    nodes: dict[str, Work] = field(default_factory=dict)
    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)  # names of nodes
    predicted: bool = False

    def fold(self, event: Event) -> None:
        """One event that belongs here."""
        if event.kind in ("machine", "progress"):
            self._item(event)
        elif event.node:
            self.nodes.setdefault(event.node, Work(began=event.at)).fold(event)
        self.predicted = self.predicted or event.predicted
        if event.changed and event.node:
            self.changed.add(event.node)

    def _item(self, event: Event) -> None:
        name = f"{event.node}: {event.title}" if event.node and event.title else event.node or event.title
        item = self.items.setdefault((event.node, event.title), Item(name=name, began=event.at))
        if event.done < item.done:  # begun anew
            item.began = event.at
        item.detail, item.done, item.total, item.at = event.detail, event.done, event.total, event.at

    def in_words(self, *, changed: bool) -> str:
        """How many nodes it worked on and changed."""
        count = len(self.nodes) or len({node for node, _ in self.items if node})
        words = [counted(count, "node")] if count else []
        if self.changed:
            words.append(f"{len(self.changed)} {'would change' if self.predicted else 'changed'}")
        elif changed:
            words.append("changed")
        return ", ".join(words)


class Progress:
    """All running phases. Events without a phase of their own belong to the one begun last."""

    def __init__(self) -> None:
        self.running: dict[str, Phase] = {}

    def fold(self, event: Event) -> Phase | None:
        """Take one event in; returns the phase it belongs to, for the last time when that ends."""
        key = event.phase or (event.title if event.kind.startswith("phase-") else next(reversed(self.running), ""))
        if event.kind == "phase-started":
            self.running[key] = Phase(title=event.title or key, began=event.at)
        phase = self.running.get(key)
        if phase is None:
            return None
        if event.kind in ("phase-finished", "phase-skipped"):
            return self.running.pop(key)
        if not event.kind.startswith(("phase-", "run-")) and event.kind not in ("note", "warning", "failure"):
            phase.fold(event)
        return phase


def duration(seconds: float) -> str:
    """`0.4 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`."""
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
