"""Events from any thread to all who listen, one after the other, by one consumer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import Self

from sloth.contracts.sink import Sink
from sloth.model.event import Event
from sloth.model.secret import mask

_log = logging.getLogger(__name__)


def _masked(event: Event) -> Event:
    title, detail = mask(event.title), mask(event.detail)
    return event if (title, detail) == (event.title, event.detail) else replace(event, title=title, detail=detail)


class Bus:
    """One queue, one thread; listeners get masked texts. One that fails is dropped with a warning; the run goes on."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._consume, name="events", daemon=True)
        self._closed = False
        self._thread.start()

    def emit(self, event: Event) -> None:
        """Hand over one event; returns at once. After `close` it is ignored."""
        if not self._closed:
            self._queue.put(event)

    def close(self) -> None:
        """Deliver what was handed over, then close all listeners. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _consume(self) -> None:
        while (event := self._queue.get()) is not None:
            self._deliver(_masked(event))
        for sink in self._sinks:
            try:
                sink.close()
            except Exception:
                _log.warning("%s failed when it was closed", type(sink).__name__, exc_info=True)

    def _deliver(self, event: Event) -> None:
        for sink in list(self._sinks):
            try:
                sink.take(event)
            except Exception as error:
                self._drop(sink, error)

    def _drop(self, sink: Sink, error: Exception) -> None:
        name = type(sink).__name__
        _log.warning("%s failed and gets no more events", name, exc_info=error)
        self._sinks.remove(sink)
        text = mask(f"{name} failed and shows nothing more: {error}")
        self._deliver(Event(kind="warning", title=text))
