"""An informer in a task: the same watch, store and queues as `informer.Informer`, for one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from types import TracebackType

from sloth.errors import ConnectError, SlothError
from sloth.kube.api import Select
from sloth.kube.async_client import AsyncClient
from sloth.kube.resource import Resource
from sloth.kube.store import Indexer, Store, Subscription, ended
from sloth.kube.watch import Event, Watch

QUEUE = 10_000  # objects with a waiting change, for each subscriber
_TURN = 100  # events after which others of the loop have their turn


class AsyncSubscription:
    """A subscriber's own queue, for one task: the latest waiting change of each object, and at most so many of them.

    When more objects than that changed, the queue is emptied and `lagged` counts it: the reader reads the store anew.
    """

    def __init__(self, limit: int) -> None:
        self._queue = Subscription(limit)
        self._news = asyncio.Event()

    @property
    def lagged(self) -> int:
        """How often the queue was emptied."""
        return self._queue.lagged

    @property
    def merged(self) -> int:
        """How many changes became one with an earlier one."""
        return self._queue.merged

    def put(self, event: Event) -> None:
        """Take a change; never waits."""
        self._queue.put(event)
        self._news.set()

    def close(self) -> None:
        """Let the reader come to an end after what is waiting."""
        self._queue.close()
        self._news.set()

    async def take(self, timeout: float | None = None) -> Event | None:
        """The next change; None if it was closed, lags (`behind` says so) or `timeout` seconds are over."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self._news.clear()
                    event = self._queue.take(0)
                    if event is not None or self._queue.over():
                        return event
                    await self._news.wait()
        except TimeoutError:
            return None

    def behind(self) -> bool:
        """Whether changes were thrown away since this was asked last: read the store, then go on."""
        return self._queue.behind()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Changes until it is closed, or lags: ask `behind` then."""
        while (event := await self.take()) is not None:
            yield event


class AsyncInformer:
    """Use it as a context manager; `synced` waits for the first list.

    A failure that going on cannot mend (not allowed, no such kind) ends it; `synced` and `failure` give it. Its task lets others
    have their turn while it takes in much at once.

    >>> indexers = {"node": lambda pod: [pod["spec"].get("nodeName", "")]}
    >>> async with AsyncInformer(client, "pods", "*", indexers=indexers) as pods:
    ...     await pods.synced(30)
    ...     [pod["metadata"]["name"] for pod in pods.store.by("node", "work-1")]
    ['web-0']
    """

    def __init__(
        self, client: AsyncClient, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "",
        indexers: Mapping[str, Indexer] | None = None,
    ) -> None:  # fmt: skip
        self.store = Store(indexers)
        self.failure: SlothError | None = None
        self._client, self._kind, self._namespace, self._select = client, kind, namespace, Select(labels, fields)
        self._first = asyncio.Event()
        self._subscribers: list[AsyncSubscription] = []
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    async def __aenter__(self) -> AsyncInformer:
        self._task = asyncio.create_task(self._work(), name=f"informer {self._kind}")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the watch, and close every subscription.

        >>> async with AsyncInformer(client, "pods") as pods:
        ...     await pods.stop()
        """
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._end()

    async def synced(self, timeout: float) -> None:
        """Wait until the store holds the first list. `timeout` in seconds. Raises what ended the watch, and ConnectError.

        >>> async with AsyncInformer(client, "pods") as pods:
        ...     await pods.synced(30)
        ...     len(pods.store)
        1
        """
        try:
            async with asyncio.timeout(timeout):
                await self._first.wait()
        except TimeoutError as error:
            what = f"no list of {self._kind} after {timeout:g} s"
            raise ConnectError("kube/not-synced", what, hint="sloth status") from error
        if self.failure:
            raise self.failure

    def subscribe(self, limit: int = QUEUE) -> AsyncSubscription:
        """Everything in the store as ADDED, then every change. `limit`: objects with a waiting change.

        >>> async with AsyncInformer(client, "pods") as pods:
        ...     async for event in pods.subscribe():
        ...         print(event.type, event.object["metadata"]["name"])
        ...         break
        ADDED web-0
        """
        made = AsyncSubscription(limit)
        for item in self.store.all():
            made.put(Event("ADDED", item))
        self._subscribers.append(made)
        if self._ended:
            made.close()
        return made

    async def _work(self) -> None:
        try:
            resource = await self._client.run(self._client.kinds.find(self._kind))
            place = self._client.api.place(resource, self._namespace)
            machine = Watch(resource, place, self._select, self._client.wire.policy)
            async with aclosing(self._client.follow(machine, self._first.set)) as events:
                count = 0
                async for event in events:
                    self._take(event)
                    count += 1
                    if count % _TURN == 0:
                        await asyncio.sleep(0)
        except Exception as error:
            self.failure = ended(self._kind, error)
        finally:
            self._end()

    def _take(self, event: Event) -> None:
        self.store.apply(event)
        for each in self._subscribers:
            each.put(event)

    def _end(self) -> None:
        self._ended = True
        self._first.set()
        for each in self._subscribers:
            each.close()
