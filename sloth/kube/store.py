"""What an informer knows: objects by key, indexes over them, and subscribers that cannot hold it up."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from sloth.errors import InternalError, SlothError
from sloth.kube.resource import Resource, key_of
from sloth.kube.watch import Event
from sloth.kube.wire import Object

Indexer: TypeAlias = Callable[[Object], Iterable[str]]
"""The values under which an object is found, such as the node of a pod."""


class Store:
    """Objects by `namespace/name`. Thread-safe; objects are shared, so readers do not change them."""

    def __init__(self, indexers: Mapping[str, Indexer] | None = None) -> None:
        self._indexers = dict(indexers or {})
        self._lock = threading.Lock()
        self._objects: dict[str, Object] = {}
        self._indexes: dict[str, dict[str, set[str]]] = {name: {} for name in self._indexers}

    def apply(self, event: Event) -> None:
        """Take one change in."""
        key = key_of(event.object)
        with self._lock:
            old = self._objects.pop(key, None)
            if old is not None:
                self._unindex(key, old)
            if event.type != "DELETED":
                self._objects[key] = event.object
                for name, indexer in self._indexers.items():
                    for value in indexer(event.object):
                        self._indexes[name].setdefault(value, set()).add(key)

    def _unindex(self, key: str, old: Object) -> None:
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            for value in indexer(old):
                keys = index.get(value, set())
                keys.discard(key)
                if not keys:
                    index.pop(value, None)

    def get(self, key: str) -> Object | None:
        """One object by `namespace/name`, or the name alone for kinds of the whole cluster."""
        with self._lock:
            return self._objects.get(key)

    def all(self) -> list[Object]:
        """Every object."""
        with self._lock:
            return list(self._objects.values())

    def by(self, index: str, value: str) -> list[Object]:
        """The objects that this index has under this value. Raises KeyError for an index that was not asked for."""
        with self._lock:
            return [self._objects[key] for key in sorted(self._indexes[index].get(value, ()))]

    def __len__(self) -> int:
        with self._lock:
            return len(self._objects)


# Waking a thread costs more than an event: one who was woken is not woken again for so many seconds, and looks again by itself.
_HUSH, _LINGER = 0.01, 0.02


class Subscription:
    """A subscriber's own queue: at most one waiting change for each object, the latest, and at most `limit` objects.

    When more objects than that changed, the queue is emptied and `lagged` counts it: the reader reads the store anew.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ready = threading.Condition()
        self._waiting: OrderedDict[str, Event] = OrderedDict()  # a dict finds its first item ever later
        self._closed = False
        self._lagging = False
        self._told = 0.0
        self.lagged = 0
        self.merged = 0

    def put(self, event: Event) -> None:
        """Take a change; never waits."""
        key = key_of(event.object)
        with self._ready:
            before = self._waiting.pop(key, None)
            self.merged += before is not None
            after = _merged(before, event)
            if after is not None:
                self._waiting[key] = after
            if len(self._waiting) > self._limit:
                self._waiting.clear()
                self._lagging = True
                self.lagged += 1
            now = time.monotonic()
            if now - self._told >= _HUSH:
                self._told = now
                self._ready.notify()

    def close(self) -> None:
        """Let the reader come to an end after what is waiting."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def take(self, timeout: float | None = None) -> Event | None:
        """The next change; None if the subscription was closed, lags (`behind` says so) or the time is over. For one thread."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._ready:
            while not self._news():
                now = time.monotonic()
                left = None if end is None else end - now
                if left is not None and left <= 0:
                    break
                again = self._told + _LINGER - now  # until then something may be put without a word
                self._ready.wait(left if again <= 0 else again if left is None else min(again, left))
            if self._lagging or not self._waiting:
                return None
            return self._waiting.popitem(last=False)[1]

    def _news(self) -> bool:
        return bool(self._waiting) or self._closed or self._lagging

    def over(self) -> bool:
        """Whether nothing comes for now that `take` could give: it was closed, or lags."""
        with self._ready:
            return self._lagging or (self._closed and not self._waiting)

    def behind(self) -> bool:
        """Whether changes were thrown away since this was asked last: read the store, then go on."""
        with self._ready:
            lagging, self._lagging = self._lagging, False
            return lagging

    def __iter__(self) -> Iterator[Event]:
        """Changes until it is closed, or lags: ask `behind` then."""
        while (event := self.take()) is not None:
            yield event


def _merged(before: Event | None, event: Event) -> Event | None:
    """Two changes of one object as one. Something made and deleted before it was seen is nothing."""
    if before is None:
        return event
    if before.type == "ADDED":
        return None if event.type == "DELETED" else Event("ADDED", event.object)
    if before.type == "DELETED" and event.type == "ADDED":
        return Event("MODIFIED", event.object)
    return event


def ended(kind: str | Resource, error: BaseException) -> SlothError:
    """Why an informer ended. Never a store that silently stands still: an indexer that fails on an object ends it, too."""
    if isinstance(error, SlothError):
        return error
    return InternalError(
        "kube/informer-failed",
        f"the informer of {kind} ended",
        detail=f"{type(error).__name__}: {error}",
        hint="correct the indexer that is named, if one is",
    )
