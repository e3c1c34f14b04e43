"""A gate before fake clouds: at the k-th call of a kind everything stands still until the test has done what it wants to do."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.clouds.fakes.rules import Refused

METHODS = ("ask", "create", "update", "delete")
PATIENCE = 60.0  # seconds; only to fail instead of hanging


@dataclass(frozen=True)
class Moment:
    """The k-th call (from 1) of a method at all clouds together, before or after the cloud has done it."""

    method: str
    number: int
    after: bool = False
    kind: str = ""  # only calls for resources of that kind count: `NetworkSubnet`
    since: int = 0  # the count begins when so many changes of another method were begun


class Gate:
    """Every call passes here. `heard` is set when the moment has come."""

    def __init__(self, fakes: Iterable[Any]) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._moment: Moment | None = None
        self._heard, self._go = threading.Event(), threading.Event()
        self._frozen = self._lost = False
        self._busy = self._counted = 0
        for fake in fakes:
            for method in METHODS:
                setattr(fake, method, partial(self._through, method, getattr(fake, method)))

    def arm(self, moment: Moment) -> None:
        """Stand still when that comes; counted from now."""
        with self._lock:
            self.counts.clear()
            self._counted = 0
            self._heard.clear()
            self._go.clear()
            self._lost = False
            self._moment = moment

    def reached(self, unless: Callable[[], bool]) -> bool:
        """Wait for the moment; False when `unless` came true instead."""
        end = time.monotonic() + PATIENCE
        while not self._heard.wait(0.01):
            assert time.monotonic() < end, f"{self._moment} did not come"
            if unless():
                return self._heard.is_set()
        return True

    def open(self, *, lost: bool = False) -> None:
        """Go on. `lost`: calls that wait have never arrived at the cloud."""
        with self._lock:
            self._moment, self._frozen, self._lost = None, False, lost
        self._go.set()

    def settled(self) -> None:
        """Wait until the clouds have done all that they were asked, whoever still listens."""
        end = time.monotonic() + PATIENCE
        while self._busy:
            assert time.monotonic() < end, "a fake is still at work"
            time.sleep(0.005)

    def _through(self, method: str, work: Callable[..., Any], *words: Any) -> Any:
        with self._lock:
            self._busy += 1
            self.counts[method] += 1
            hit = self._is_it(method, str(words[0]))
            wait = self._frozen or (hit and not self._after())
            self._frozen = self._frozen or hit
        try:
            if wait:
                self._stand(hit)
                if self._lost:
                    raise Refused("the connection was lost before the request was sent")
                return work(*words)
            answer = work(*words)
            if hit:
                self._stand(hit)
            return answer
        finally:
            with self._lock:
                self._busy -= 1

    def _is_it(self, method: str, token: str) -> bool:
        here = self._moment
        if here is None or self._frozen or here.method != method or not token.endswith(here.kind):
            return False
        changes = sum(count for name, count in self.counts.items() if name not in ("ask", method))
        self._counted += changes >= here.since
        return self._counted == here.number

    def _after(self) -> bool:
        return self._moment is not None and self._moment.after

    def _stand(self, hit: bool) -> None:
        if hit:
            self._heard.set()
        assert self._go.wait(PATIENCE), "nobody opened the gate"
