"""Reading logs by the sync client: one after the other, or followed side by side through one funnel."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sloth.errors import SlothError
from sloth.kube.fronts.logs import Lines, LogLine, Source
from sloth.kube.watch import SILENCE

if TYPE_CHECKING:
    from sloth.kube.sync_wire import Line, SyncWire

ROOM = 1000  # lines that wait for a reader; with more, nothing is read from the server
QUIET = 24 * 3600.0  # seconds: a container that is followed may be silent for long


def read(wire: SyncWire, sources: Sequence[Source], *, follow: bool) -> Iterator[LogLine]:
    """Lines, until all logs end or the reader goes. Raises ApiError, ConnectError."""
    if follow and len(sources) > 1:
        yield from _Funnel(wire, sources)
        return
    for source in sources:
        with wire.stream(source.request, QUIET if follow else SILENCE) as (chunks, _):
            lines = Lines(source)
            for chunk in chunks:
                yield from lines.take(chunk)
            yield from lines.end()


class _Funnel:
    """A thread for each log, and room for so many lines; leaving it shuts every connection."""

    def __init__(self, wire: SyncWire, sources: Sequence[Source]) -> None:
        self._wire, self._sources, self._left = wire, sources, len(sources)
        self._turn = threading.Condition()
        self._waiting: deque[LogLine] = deque()
        self._open: set[Line] = set()
        self._error: SlothError | None = None
        self._over = False

    def __iter__(self) -> Iterator[LogLine]:
        for source in self._sources:
            threading.Thread(target=self._work, args=(source,), name=f"log {source.pod}", daemon=True).start()
        try:
            while True:
                with self._turn:
                    self._turn.wait_for(lambda: self._waiting or self._error or not self._left)
                    lines, self._waiting = self._waiting, deque()
                    error, done = self._error, not self._left
                    self._turn.notify_all()
                yield from lines
                if error:
                    raise error
                if done:
                    return
        finally:
            self._close()

    def _close(self) -> None:
        with self._turn:
            self._over = True
            lines, self._open = self._open, set()
            self._turn.notify_all()
        for each in lines:
            each()

    def _work(self, source: Source) -> None:
        try:
            if self._over:
                return
            with self._wire.stream(source.request, QUIET) as (chunks, line):
                if self._opened(line):
                    self._pass_on(source, chunks)
        except SlothError as error:
            with self._turn:
                self._error = self._error or error
        finally:
            with self._turn:
                self._left -= 1
                self._turn.notify_all()

    def _opened(self, line: Line) -> bool:
        with self._turn:
            if not self._over:
                self._open.add(line)
            return not self._over

    def _pass_on(self, source: Source, chunks: Iterator[bytes]) -> None:
        lines = Lines(source)
        for chunk in chunks:
            if not self._put(list(lines.take(chunk))):
                return
        self._put(list(lines.end()))

    def _put(self, lines: list[LogLine]) -> bool:
        """Wait for room; False if nobody reads any more."""
        with self._turn:
            self._turn.wait_for(lambda: self._over or len(self._waiting) < ROOM)
            self._waiting.extend(lines)
            self._turn.notify_all()
            return not self._over
