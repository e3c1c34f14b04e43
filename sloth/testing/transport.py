"""A transport without a network: what each node answers is written down beforehand, and anything else fails the test."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sloth.engine.shell import failed
from sloth.errors import ConnectError
from sloth.model.node import Login
from sloth.model.step import Ask, Do, Put, Result, Step, Upload, Wait

Answer = Result | str | Callable[[Step], Result | str]


class Unexpected(AssertionError):
    """A test's fake was asked for something that the test did not foresee."""


def command(step: Step) -> str:
    """The shell text that says what a step does; the path for files."""
    match step:
        case Ask() | Do():
            return step.run
        case Wait():
            return step.until
        case Put() | Upload():
            return step.path


@dataclass
class _Rule:
    title: str
    pattern: re.Pattern[str]
    answer: Answer
    times: int | None

    def fits(self, step: Step) -> bool:
        if self.times == 0 or (self.title and step.title != self.title):
            return False
        return self.pattern.search(command(step)) is not None


@dataclass
class FakeNode:
    """One scripted node. `received` holds every step that reached it, `round_trips` counts batches."""

    name: str
    received: list[Step] = field(default_factory=list)
    round_trips: int = 0
    opened: int = 0
    _rules: list[_Rule] = field(default_factory=list)
    _drops: int = 0

    def on(self, title: str = "", *, run: str = "", answer: Answer = "", times: int | None = None) -> FakeNode:
        """Answer a step of that exact title and/or whose command matches the regular expression `run`.

        A text means success with that output. Earlier rules win; `times` limits how often a rule answers.
        """
        self._rules.append(_Rule(title, re.compile(run), answer, times))
        return self

    def drop(self, times: int = 1) -> FakeNode:
        """Lose the connection at the next `times` batches."""
        self._drops += times
        return self

    def run(self, steps: Sequence[Step]) -> list[Result]:
        """One batch."""
        self.round_trips += 1
        if self._drops:
            self._drops -= 1
            raise ConnectError("connect/lost", f"{self.name}: connection lost", hint="sloth up")
        results: list[Result] = []
        for step in steps:
            self.received.append(step)
            results.append(self._answer(step))
            if failed(step, results[-1]):
                break
        return results

    def _answer(self, step: Step) -> Result:
        rule = next((rule for rule in self._rules if rule.fits(step)), None)
        if rule is None:
            raise Unexpected(f"{self.name}: nothing was scripted for {step!r}")
        if rule.times is not None:
            rule.times -= 1
        answer = rule.answer(step) if callable(rule.answer) else rule.answer
        if isinstance(answer, Result):
            return answer
        return Result(out=answer, changed=isinstance(step, (Do, Put, Upload)))


class FakeTransport:
    """Scripted nodes by name. A node that was never mentioned cannot be reached."""

    def __init__(self) -> None:
        self._nodes: dict[str, FakeNode] = {}
        self._lock = threading.Lock()

    def node(self, name: str) -> FakeNode:
        """The node of that name, made on first mention."""
        with self._lock:
            return self._nodes.setdefault(name, FakeNode(name))

    @property
    def round_trips(self) -> Counter[str]:
        """Batches by node."""
        return Counter({name: node.round_trips for name, node in self._nodes.items()})

    @property
    def received(self) -> list[tuple[str, Step]]:
        """Every step that reached a node, by node in order of mention."""
        return [(name, step) for name, node in self._nodes.items() for step in node.received]

    def open(self, login: Login) -> FakeSession:
        """A session on a scripted node."""
        if login.node not in self._nodes:
            raise Unexpected(f"{login.node}: this node was not scripted")
        node = self._nodes[login.node]
        node.opened += 1
        return FakeSession(node)


class FakeSession:
    """One connection to a scripted node."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node
        self.closed = False

    def run(self, steps: Sequence[Step]) -> list[Result]:
        """One batch."""
        if self.closed:
            raise Unexpected(f"{self._node.name}: used after it was closed")
        return self._node.run(steps)

    def close(self) -> None:
        """End it."""
        self.closed = True
