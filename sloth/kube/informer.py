"""An informer: one watch in a thread of its own, a store that is always near the truth, and any number of subscribers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType

from sloth.errors import ConnectError, SlothError
from sloth.kube.api import Select
from sloth.kube.client import Client
from sloth.kube.resource import Resource
from sloth.kube.store import Indexer, Store, Subscription, ended
from sloth.kube.sync_wire import Line
from sloth.kube.watch import Event, Watch

QUEUE = 10_000  # objects with a waiting change, for each subscriber
BATCH = 0.05  # seconds


class Informer:
    """Use it as a context manager; `synced` waits for the first list.

    >>> with Informer(client, "pods", "*", indexers={"node": lambda pod: [pod["spec"].get("nodeName", "")]}) as pods:
    ...     pods.synced(30)
    ...     [pod["metadata"]["name"] for pod in pods.store.by("node", "work-1")]
    ['web-0']

    A failure that going on cannot mend (not allowed, no such kind) ends it; `synced` and `failure` give it.

    While events come one by one in quick succession, it takes those of `batch` seconds together: waking up costs more than an
    event does. Events that come seldom, and many that wait already, are not held up. 0 switches that off.
    """

    def __init__(
        self, client: Client, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "",
        indexers: Mapping[str, Indexer] | None = None, batch: float = BATCH,
    ) -> None:  # fmt: skip
        self.store = Store(indexers)
        self.failure: SlothError | None = None
        self._client, self._kind, self._namespace, self._select = client, kind, namespace, Select(labels, fields)
        self._batch = batch
        self._stop = threading.Event()
        self._first = threading.Event()
        self._lock = threading.Lock()
        self._subscribers: list[Subscription] = []
        self._line: Line | None = None
        self._thread = threading.Thread(target=self._work, name=f"informer {kind}", daemon=True)

    def __enter__(self) -> Informer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End the watch, wait for its thread, and close every subscription.

        >>> with Informer(client, "pods") as pods:
        ...     pods.stop()
        """
        with self._lock:
            self._stop.set()
            line = self._line
        if line:
            line()
        self._thread.join()

    def synced(self, timeout: float) -> None:
        """Wait until the store holds the first list. `timeout` in seconds. Raises what ended the watch, and ConnectError.

        >>> with Informer(client, "pods") as pods:
        ...     pods.synced(30)
        ...     len(pods.store)
        1
        """
        done = self._first.wait(timeout)
        if self.failure:
            raise self.failure
        if not done:
            raise ConnectError("kube/not-synced", f"no list of {self._kind} after {timeout:g} s", hint="sloth status")

    def subscribe(self, limit: int = QUEUE) -> Subscription:
        """Everything in the store as ADDED, then every change. `limit`: objects with a waiting change.

        >>> with Informer(client, "pods") as pods:
        ...     for event in pods.subscribe():
        ...         print(event.type, event.object["metadata"]["name"])
        ...         break
        ADDED web-0
        """
        made = Subscription(limit)
        with self._lock:
            for item in self.store.all():
                made.put(Event("ADDED", item))
            self._subscribers.append(made)
            if self._stop.is_set():
                made.close()
        return made

    def _work(self) -> None:
        try:
            resource = self._client.run(self._client.kinds.find(self._kind))
            place = self._client.api.place(resource, self._namespace)
            machine = Watch(resource, place, self._select, self._client.wire.policy)
            for event in self._client.follow(machine, self._stop, self._opened):
                self._take(event)
        except BaseException as error:
            self.failure = ended(self._kind, error)
        finally:
            self._first.set()
            with self._lock:
                self._stop.set()
                for each in self._subscribers:
                    each.close()

    def _opened(self, line: Line) -> None:
        """A stream is open, so the list before it has been taken in."""
        self._first.set()
        line.gather(self._batch, self._stop.wait)
        with self._lock:
            self._line = line
            late = self._stop.is_set()
        if late:
            line()

    def _take(self, event: Event) -> None:
        with self._lock:
            self.store.apply(event)
            for each in self._subscribers:
                each.put(event)
