"""Counters and latency histograms of requests, by verb and kind, in Prometheus' text format.

Format: prometheus.io, "Exposition formats" (text format 0.0.4). Names of objects and namespaces are no labels: the number of
series is bounded by what a program does, not by what is in the cluster.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from sloth.kube.telemetry.observer import About, Begun, Outcome

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST = 5_000  # series of one metric; what would be one more is counted under kind `other`


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.total += value


class Metrics:
    """An observer that counts. One may serve all clients of a process; `text` is what a scrape gets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, ...], int] = {}
        self._repeats: dict[tuple[str, ...], int] = {}
        self._waited: dict[tuple[str, ...], float] = {}
        self._latency: dict[tuple[str, ...], _Histogram] = {}
        self._open: dict[tuple[str, ...], int] = {}

    def waits(self, about: About) -> bool:
        """Never."""
        return False

    def begin(self, about: About) -> Begun:
        """Count it as under way."""
        subject = about.subject
        labels = (about.connection.name or about.connection.server, subject.verb, subject.kind or "none")
        with self._lock:
            if labels not in self._latency and len(self._latency) >= MOST:
                labels = (*labels[:2], "other")
            self._open[labels] = self._open.get(labels, 0) + 1
        return Begun(partial(self._end, labels))

    def _end(self, labels: tuple[str, ...], outcome: Outcome) -> None:
        counted = (*labels, outcome.word)
        with self._lock:
            self._open[labels] -= 1
            self._requests[counted] = self._requests.get(counted, 0) + 1
            self._latency.setdefault(labels, _Histogram()).add(outcome.seconds)
            if outcome.attempts > 1:
                self._repeats[labels] = self._repeats.get(labels, 0) + outcome.attempts - 1
            if outcome.waited:
                self._waited[labels] = self._waited.get(labels, 0.0) + outcome.waited

    def flush(self) -> None:
        """Nothing is held back."""

    def text(self) -> str:
        """Everything so far."""
        with self._lock:
            return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterator[str]:
        names = ("cluster", "verb", "kind")
        yield from _family("requests_total", "counter", "Requests by what came of them: status, or code of a failure.")
        for labels, count in sorted(self._requests.items()):
            yield _sample("requests_total", (*names, "code"), labels, count)
        yield from _family("request_repeats_total", "counter", "Attempts after the first.")
        for labels, count in sorted(self._repeats.items()):
            yield _sample("request_repeats_total", names, labels, count)
        yield from _family("request_waited_seconds_total", "counter", "Pauses for the rate limit and between attempts.")
        for labels, seconds in sorted(self._waited.items()):
            yield _sample("request_waited_seconds_total", names, labels, seconds)
        yield from _family("requests_open", "gauge", "Requests without an answer yet.")
        for labels, count in sorted(self._open.items()):
            yield _sample("requests_open", names, labels, count)
        yield from _family(
            "request_seconds", "histogram", "Time until the answer, of streams until they are open; pauses included."
        )
        for labels, histogram in sorted(self._latency.items(), key=lambda each: each[0]):
            seen = 0
            for bound, count in zip((*BUCKETS, float("inf")), histogram.counts, strict=True):
                seen += count
                word = "+Inf" if bound == float("inf") else f"{bound:g}"
                yield _sample("request_seconds_bucket", (*names, "le"), (*labels, word), seen)
            yield _sample("request_seconds_sum", names, labels, histogram.total)
            yield _sample("request_seconds_count", names, labels, seen)


def _family(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP sloth_kube_{name} {text}"
    yield f"# TYPE sloth_kube_{name} {kind}"


def _sample(name: str, names: Sequence[str], values: Sequence[str], number: float) -> str:
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in zip(names, values, strict=True))
    return f"sloth_kube_{name}{{{pairs}}} {number!r}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
