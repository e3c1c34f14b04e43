"""Clients kept for those who ask again: one for each cluster and credentials, shared by all threads.

A client leaves the pool when nobody used it for a while, when it is old (what it knows of kinds and TLS is then read anew), when
the pool is full, and when its requests keep failing; it is closed when the last of those who have it gives it back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sloth.errors import SlothError
from sloth.kube.client import Client
from sloth.kube.connection import Connection
from sloth.kube.telemetry.observer import About, Begun, Observer, Outcome

IDLE, AGE = 600.0, 3600.0  # seconds
MOST = 256  # clients
FAILURES = 3  # in a row, without an answer or with 401
_WIDE = 8  # prefetches side by side


class _Health:
    """Observes one client: failures in a row that another connection might not have."""

    def __init__(self) -> None:
        self.failures = 0

    def waits(self, about: About) -> bool:
        return False

    def begin(self, about: About) -> Begun:
        return Begun(self._end)

    def _end(self, outcome: Outcome) -> None:
        if outcome.status in (0, 401) and (outcome.status or outcome.error):
            self.failures += 1
        elif outcome.status:
            self.failures = 0

    def flush(self) -> None:
        return


@dataclass(slots=True)
class _Kept:
    client: Client
    health: _Health
    made: float
    used: float
    users: int = 0
    out: bool = False


@dataclass(slots=True)
class Counts:
    """What the pool did so far."""

    hits: int = 0
    made: int = 0
    evicted: dict[str, int] = field(default_factory=dict)


class Clients:
    """The pool. `settings` and `observers` go to every client; reads that are under way are shared (`sharing`)."""

    def __init__(
        self, *, idle: float = IDLE, age: float = AGE, most: int = MOST, observers: Iterable[Observer] = (),
        now: Callable[[], float] = time.monotonic, make: Callable[..., Client] = Client, **settings: Any,
    ) -> None:  # fmt: skip
        self._idle, self._age, self._most, self._now = idle, age, most, now
        self._make, self._settings, self._observers = make, {"share_reads": True, **settings}, tuple(observers)
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._kept: dict[str, _Kept] = {}
        self.counts = Counts()

    @contextmanager
    def use(self, connection: Connection) -> Iterator[Client]:
        """The client of this connection; others may have it too. Do not close it. Raises KubernetesError, CredentialsError."""
        kept = self._take(connection)
        try:
            yield kept.client
        finally:
            with self._lock:
                kept.users -= 1
                kept.used = self._now()
                done = kept.out and not kept.users
            if done:
                kept.client.close()

    def prefetch(self, connections: Iterable[Connection]) -> dict[str, SlothError]:
        """Connect to these side by side and learn their kinds. Failures by cluster and credentials (`Connection.key`)."""

        def fetch(connection: Connection) -> tuple[str, SlothError | None]:
            try:
                with self.use(connection) as client:
                    client.resources()
            except SlothError as error:
                return connection.key(), error
            return connection.key(), None

        with ThreadPoolExecutor(_WIDE, "prefetch") as threads:
            return {key: error for key, error in threads.map(fetch, connections) if error}

    def evict(self, connection: Connection) -> None:
        """Forget this one, for instance because its credentials were changed."""
        self._close(self._out(connection.key(), "asked"))

    def sweep(self) -> None:
        """Let go of what is too old, unused for too long, or failing. `use` does that for its own connection by itself."""
        with self._lock:
            keys = list(self._kept)
        for key in keys:
            why = self._why_not(key)
            if why:
                self._close(self._out(key, why))

    def close(self) -> None:
        """Forget all of them. The pool may be used again."""
        with self._lock:
            keys = list(self._kept)
        for key in keys:
            self._close(self._out(key, "closed"))

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def _take(self, connection: Connection) -> _Kept:
        key = connection.key()
        with self._lock:
            turn = self._making.setdefault(key, threading.Lock())
        with turn:  # one thread makes it, the others of this key wait; those of other keys do not
            why = self._why_not(key)
            if why:
                self._close(self._out(key, why))
            with self._lock:
                kept = self._kept.get(key)
                if kept:
                    self.counts.hits += 1
                    kept.users += 1
                    return kept
            health = _Health()
            client = self._make(connection, observers=(health, *self._observers), **self._settings)
            made = _Kept(client, health, self._now(), self._now(), users=1)
            with self._lock:
                self._kept[key] = made
                self.counts.made += 1
                longest = min(self._kept, key=lambda each: (self._kept[each] is made, self._kept[each].used))
                full = len(self._kept) > self._most
            if full:
                self._close(self._out(longest, "full"))
            return made

    def _why_not(self, key: str) -> str:
        with self._lock:
            kept, now = self._kept.get(key), self._now()
            if kept is None:
                return ""
            if kept.health.failures >= FAILURES:
                return "failing"
            if now - kept.made >= self._age:
                return "age"
            return "idle" if not kept.users and now - kept.used >= self._idle else ""

    def _out(self, key: str, why: str) -> _Kept | None:
        with self._lock:
            kept = self._kept.pop(key, None)
            if kept is None:
                return None
            kept.out = True
            self.counts.evicted[why] = self.counts.evicted.get(why, 0) + 1
            return None if kept.users else kept

    def _close(self, kept: _Kept | None) -> None:
        if kept:
            kept.client.close()
