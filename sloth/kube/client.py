"""The sync client: every verb of `api` as a method, lists page by page, watches that survive gaps.

    from sloth.kube import Client

    with Client.from_kubeconfig() as client:
        for node in client.list("nodes"):
            print(node["metadata"]["name"])

Thread-safe. Objects are plain dicts. A namespace of None is the context's own, `"*"` is all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from sloth.errors import SlothError
from sloth.kube.api import PAGE, Api, Page, PatchKind, Propagation, Select
from sloth.kube.connection import Connection
from sloth.kube.fronts.verbs import Verbs
from sloth.kube.in_cluster import in_cluster
from sloth.kube.kinds import Kinds
from sloth.kube.kinds_file import KindsFile
from sloth.kube.kubeconfig import load
from sloth.kube.resource import Resource
from sloth.kube.retry import DEFAULT, Policy
from sloth.kube.sync_wire import Line, SyncWire
from sloth.kube.telemetry.observer import Observer
from sloth.kube.watch import SILENCE, Event, Follow, Relist, Watch
from sloth.kube.wire import JSON, Call, Object, Pause, Request

T = TypeVar("T")
Objects: TypeAlias = list[Object]
Events: TypeAlias = list[Event]


class Client(Verbs):
    """One cluster as one user.

    `rate` and `burst` bound the requests a second; `cache` is a folder where discoveries are kept between runs; `manager` is the
    field manager's name; `observers` see every request (audit, metrics, spans); with `share_reads`
    equal reads that are under way at the same time are made once; `http2` (an extra: `sloth-kubernetes[http2]`) has
    all of them share one connection where the server speaks HTTP/2 over TLS; `protobuf` has built-in kinds read in
    that form, for the same dicts. Every method raises ApiError (the server refuses), ConnectError (it does not answer),
    CredentialsError.

    >>> with Client(client.connection, manager="shop", rate=20) as other:
    ...     len(other.list("pods"))
    1
    """

    def __init__(
        self, connection: Connection, *, policy: Policy = DEFAULT, rate: float = 100.0, burst: int = 200,
        cache: Path | None = None, manager: str = "sloth", observers: Sequence[Observer] = (),
        share_reads: bool = False, http2: bool = False, protobuf: bool = False,
    ) -> None:  # fmt: skip
        self.connection = connection
        self.kinds = Kinds(KindsFile(cache, connection.cluster_id()) if cache else None)
        self.api = Api(self.kinds, connection.namespace, manager)
        self.wire = SyncWire(connection, policy, rate, burst, observers, share_reads=share_reads, http2=http2, protobuf=protobuf)

    @classmethod
    def from_kubeconfig(cls, path: Path | None = None, context: str = "", **settings: Any) -> Client:
        """By a kubeconfig: this file, or those of KUBECONFIG, or ~/.kube/config. Raises UsageError, KubernetesError.

        >>> with Client.from_kubeconfig() as client:
        ...     len(client.list("pods"))
        1
        """
        return cls(load(path).connection(context), **settings)

    @classmethod
    def in_cluster(cls, **settings: Any) -> Client:
        """As the pod that this process runs in. Raises UsageError.

        >>> Client.in_cluster()
        Traceback (most recent call last):
        UsageError: this process does not run in a pod with a service account
        """
        return cls(in_cluster(), **settings)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection.

        >>> client.close()
        """
        self.wire.close()

    def run(self, call: Call[T], plan: str = "") -> T:
        """Carry any call through: what `api` has, or one of your own. `plan`: digest of the plan that it is a part of.

        >>> client.run(client.api.get("configmaps", "greeting"))["data"]
        {'text': 'hello'}
        """
        return self.wire.run(call, plan)

    def get(self, kind: str | Resource, name: str, namespace: str | None = None, *, subresource: str = "") -> Object:
        """One object.

        >>> client.get("configmaps", "greeting")["data"]
        {'text': 'hello'}
        """
        return self.run(self.api.get(kind, name, namespace, subresource=subresource))

    def get_many(self, kind: str | Resource, names: Iterable[str], namespace: str | None = None) -> Objects:
        """Several objects side by side, in the order of their names.

        >>> [item["metadata"]["name"] for item in client.get_many("replicasets", ["web-2", "web-1"])]
        ['web-2', 'web-1']
        """
        return self.run(self.api.get_many(kind, names, namespace))

    def pages(
        self, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "",
        limit: int = PAGE, accept: str = JSON,
    ) -> Iterator[Page]:  # fmt: skip
        """A list, page by page: memory stays flat however long it is. ApiError 410: it took so long that the list is gone.

        >>> [len(page.items) for page in client.pages("replicasets", limit=1)]
        [1, 1]
        """
        token = ""
        while True:
            page = self.run(
                self.api.page(kind, namespace, select=Select(labels, fields), limit=limit, token=token, accept=accept)
            )
            yield page
            token = page.token
            if not token:
                return

    def each(
        self, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = PAGE
    ) -> Iterator[Object]:
        """The objects of a list one by one: of those that were taken, nothing is held any more when the next page comes.

        >>> [pod["metadata"]["name"] for pod in client.each("pods", "*", labels="app=web")]
        ['web-0']
        """
        token = ""
        while True:
            token, items = self.run(self.api.sheaf(kind, namespace, select=Select(labels, fields), limit=limit, token=token))
            yield from items
            if not token:
                return

    def list(
        self, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = PAGE
    ) -> Objects:
        """All objects of a kind, in pages of `limit`.

        >>> [node["metadata"]["name"] for node in client.list("nodes")]
        ['work-1']
        """
        return [item for page in self.pages(kind, namespace, labels=labels, fields=fields, limit=limit) for item in page.items]

    def create(self, item: Object, namespace: str | None = None, *, dry_run: bool = False) -> Object:
        """Make an object.

        >>> client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"text": "hi"}})["data"]
        {'text': 'hi'}
        """
        return self.run(self.api.create(item, namespace, dry_run=dry_run))

    def replace(self, item: Object, namespace: str | None = None, *, subresource: str = "", dry_run: bool = False) -> Object:
        """Put it in place of the one of its name; with a resourceVersion only of that version (`kube/conflict`).

        >>> item = client.get("configmaps", "greeting")
        >>> client.replace({**item, "data": {"text": "good day"}})["data"]
        {'text': 'good day'}
        """
        return self.run(self.api.replace(item, namespace, subresource=subresource, dry_run=dry_run))

    def patch(
        self, kind: str | Resource, name: str, patch: Any, namespace: str | None = None, *, how: PatchKind = "merge",
        subresource: str = "", dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Change a part: a merge patch, a list of JSON patch operations (`json`), or a `strategic` merge patch.

        >>> client.patch("configmaps", "greeting", {"data": {"more": "1"}})["data"]
        {'text': 'hello', 'more': '1'}
        >>> client.patch("configmaps", "greeting", [{"op": "remove", "path": "/data/more"}], how="json")["data"]
        {'text': 'hello'}
        """
        return self.run(self.api.patch(kind, name, patch, namespace, how=how, subresource=subresource, dry_run=dry_run))

    def apply(
        self, item: Object, namespace: str | None = None, *, force: bool = False, dry_run: bool = False, subresource: str = ""
    ) -> Object:
        """Server-side apply. ApiError `kube/owned` lists the fields that other managers own, unless `force`.

        >>> client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"text": "hi"}})["data"]
        {'text': 'hi'}
        """
        return self.run(self.api.apply(item, namespace, force=force, dry_run=dry_run, subresource=subresource))

    def delete(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, propagation: Propagation = "Background",
        uid: str = "", version: str = "", grace: int | None = None, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Delete; with `uid` or `version` only that very object.

        >>> found = client.delete("configmaps", "greeting")
        >>> client.get("configmaps", "greeting")
        Traceback (most recent call last):
        ApiError: get configmaps default/greeting: there is no such thing
        """
        return self.run(
            self.api.delete(
                kind, name, namespace, propagation=propagation, uid=uid, version=version, grace=grace, dry_run=dry_run
            )
        )

    def resources(self) -> tuple[Resource, ...]:
        """Every kind that the server has.

        >>> "deployments.apps" in {resource.full_name for resource in client.resources()}
        True
        """
        return self.run(self.kinds.all(fresh=True))

    def may(
        self, verb: str, kind: str | Resource, namespace: str | None = None, *, name: str = "", subresource: str = ""
    ) -> bool:
        """Whether this user may do that (SelfSubjectAccessReview).

        >>> client.may("delete", "pods", "default")
        True
        """
        return self.run(self.api.may(verb, kind, namespace, name=name, subresource=subresource))

    def watch(
        self, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "",
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:  # fmt: skip
        """Everything there is, as ADDED, then every change, until `stop` is set (seen at the next event or pause).

        Broken connections and forgotten versions do not show; an object that went in a gap comes as DELETED.

        >>> for event in client.watch("pods", labels="app=web"):
        ...     print(event.type, event.object["metadata"]["name"])
        ...     break
        ADDED web-0
        """
        resource = self.run(self.kinds.find(kind))
        machine = Watch(resource, self.api.place(resource, namespace), Select(labels, fields), self.wire.policy)
        yield from self.follow(machine, stop or threading.Event())

    def follow(self, machine: Watch, stop: threading.Event, opened: Callable[[Line], None] | None = None) -> Iterator[Event]:
        """Carry a watch's state machine through. `opened` gets what closes each stream from another thread.

        >>> import threading
        >>> from sloth.kube.watch import Watch
        >>> events = client.follow(Watch(client.run(client.kinds.find("pods")), "default"), threading.Event())
        >>> next(events).type
        'ADDED'
        >>> events.close()
        """
        while not stop.is_set():
            wanted = machine.plan()
            try:
                if isinstance(wanted, Pause):
                    stop.wait(wanted.seconds)
                elif isinstance(wanted, Relist):
                    yield from self._relist(machine)
                else:
                    yield from self._stream(machine, wanted, stop, opened)
            except SlothError as error:
                if not stop.is_set():
                    machine.failed(error)

    def _relist(self, machine: Watch) -> Events:
        items: Objects = []
        version, pages = (
            "",
            self.pages(machine.resource, machine.namespace, labels=machine.select.labels, fields=machine.select.fields),
        )
        for page in pages:
            items += page.items
            version = version or page.version
        return machine.listed(items, version)

    def _stream(
        self, machine: Watch, wanted: Follow, stop: threading.Event, opened: Callable[[Line], None] | None
    ) -> Iterator[Event]:
        with self.wire.stream(wanted.request, SILENCE) as (chunks, close):
            if opened:
                opened(close)
            for chunk in chunks:
                yield from machine.feed(chunk)
                machine.check()
                if stop.is_set():
                    return
        machine.ended()

    @contextmanager
    def open(self, request: Request, silence: float = SILENCE) -> Iterator[Iterator[bytes]]:
        r"""A body as it comes, such as a log that is followed.

        >>> request = client.run(client.api.log_request("web-0", query=[("container", "app"), ("tailLines", "1")]))
        >>> with client.open(request) as chunks:
        ...     b"".join(chunks)
        b'GET /\n'
        """
        with self.wire.stream(request, silence) as (chunks, _):
            yield chunks
