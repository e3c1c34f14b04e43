"""Observers of requests. `exchange` tells them of each, from before its first attempt until its final answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from sloth.errors import SlothError
from sloth.kube.connection import Connection
from sloth.kube.telemetry.subject import Subject
from sloth.kube.wire import Request


class About(msgspec.Struct, frozen=True):
    """One request, what it is about, and whose it is. `plan` is the digest of the plan that it is a part of, if of one."""

    request: Request
    subject: Subject
    connection: Connection
    plan: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What came of it. `status` 0: there was no answer, and `error` says why; neither of them: it was given up half-way."""

    status: int = 0
    seconds: float = 0.0
    attempts: int = 0
    waited: float = 0.0  # seconds of them for the rate limit and between attempts
    error: SlothError | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def word(self) -> str:
        """The result in one word: a status, the code of a failure, or `given-up`."""
        return str(self.status) if self.status else self.error.code if self.error else "given-up"


class Begun(msgspec.Struct, frozen=True):
    """What an observer began: `end` is called once with the outcome, `headers` go with the request."""

    end: Callable[[Outcome], None]
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Observer(Protocol):
    """Thread-safe; may be shared by clients of several clusters."""

    def waits(self, about: About) -> bool:
        """Whether `begin` and `end` may wait for a disk: an event loop gives them to a thread then."""
        ...

    def begin(self, about: About) -> Begun | None:
        """Before the request is sent; None: it is of no interest. What this raises keeps the request from being sent."""
        ...

    def flush(self) -> None:
        """A client is closed: what is held back goes to its place now. May wait for a disk."""
        ...
