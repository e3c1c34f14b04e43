"""Equal reads that are under way at the same time, made once.

A read joins one that is under way only if none of this client's own changes came to an end since that one began: who has just
changed something never gets an answer from before. (Changes by others may be newer than the answer by as long as it took.)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from typing import TypeAlias

from sloth.kube.wire import Answer, Request

Key: TypeAlias = tuple[int, str, tuple[tuple[str, str], ...]]


def _key(epoch: int, request: Request) -> Key:
    return epoch, request.target, tuple(sorted(request.headers.items()))


class Flights:
    """For threads. `saved` counts the reads that were not made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = self.saved = 0
        self._under_way: dict[Key, Future[Answer]] = {}

    def carry(self, request: Request, make: Callable[[], Answer]) -> Answer:
        """The answer: of one that is under way, or of `make`. Raises what that raises."""
        if request.method != "GET":
            try:
                return make()
            finally:
                with self._lock:
                    self._epoch += 1
        with self._lock:
            key = _key(self._epoch, request)
            joined = self._under_way.get(key)
            if joined:
                self.saved += 1
            else:
                mine = self._under_way[key] = Future[Answer]()
        if not joined:
            return self._make(key, mine, make)
        try:
            return joined.result()
        except CancelledError:  # whose it was has been interrupted
            return make()

    def _make(self, key: Key, mine: Future[Answer], make: Callable[[], Answer]) -> Answer:
        try:
            answer = make()
        except Exception as error:
            self._land(key)
            mine.set_exception(error)
            raise
        except BaseException:
            self._land(key)
            mine.cancel()
            raise
        self._land(key)
        mine.set_result(answer)
        return answer

    def _land(self, key: Key) -> None:
        with self._lock:
            del self._under_way[key]


class AsyncFlights:
    """For the tasks of one event loop. A task that is cancelled does not take those with it that joined its read."""

    def __init__(self) -> None:
        self._epoch = self.saved = 0
        self._under_way: dict[Key, asyncio.Task[Answer]] = {}

    async def carry(self, request: Request, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer: of one that is under way, or of `make`. Raises what that raises."""
        if request.method != "GET":
            try:
                return await make()
            finally:
                self._epoch += 1
        key = _key(self._epoch, request)
        task = self._under_way.get(key)
        if task:
            self.saved += 1
        else:
            task = self._under_way[key] = asyncio.create_task(self._landing(key, make))
            task.add_done_callback(_look)
        return await asyncio.shield(task)

    async def _landing(self, key: Key, make: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            return await make()
        finally:
            self._under_way.pop(key, None)


def _look(task: asyncio.Task[Answer]) -> None:
    """A failure that all who waited for it left is no defect."""
    if not task.cancelled():
        task.exception()
