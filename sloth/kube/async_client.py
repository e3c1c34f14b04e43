"""The async client: the same methods as `client.Client`, to be awaited, for one event loop.

    from sloth.kube import AsyncClient

    async with AsyncClient.from_kubeconfig() as client:
        for node in await client.list("nodes"):
            print(node["metadata"]["name"])

Objects are plain dicts. A namespace of None is the context's own, `"*"` is all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from sloth.errors import SlothError
from sloth.kube.api import PAGE, Api, Page, PatchKind, Propagation, Select
from sloth.kube.async_wire import AsyncWire
from sloth.kube.connection import Connection
from sloth.kube.fronts.averbs import AsyncVerbs
from sloth.kube.in_cluster import in_cluster
from sloth.kube.kinds import Kinds
from sloth.kube.kinds_file import KindsFile
from sloth.kube.kubeconfig import load
from sloth.kube.resource import Resource
from sloth.kube.retry import DEFAULT, Policy
from sloth.kube.telemetry.observer import Observer
from sloth.kube.watch import SILENCE, Event, Relist, Watch
from sloth.kube.wire import JSON, Call, Object, Pause, Request

T = TypeVar("T")
Objects: TypeAlias = list[Object]
Events: TypeAlias = list[Event]


class AsyncClient(AsyncVerbs):
    """One cluster as one user.

    `rate` and `burst` bound the requests a second; `cache` is a folder where discoveries are kept between runs; `manager` is the
    field manager's name; `observers` see every request (audit, metrics, spans); with `share_reads`
    equal reads that are under way at the same time are made once; `http2` (an extra: `sloth-kubernetes[http2]`) has
    all of them share one connection where the server speaks HTTP/2 over TLS; `protobuf` has built-in kinds read in
    that form, for the same dicts. Every method raises ApiError (the server refuses), ConnectError (it does not answer),
    CredentialsError.

    >>> async with AsyncClient(client.connection, manager="shop", rate=20) as other:
    ...     len(await other.list("pods"))
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
        self.wire = AsyncWire(connection, policy, rate, burst, observers, share_reads=share_reads, http2=http2, protobuf=protobuf)

    @classmethod
    def from_kubeconfig(cls, path: Path | None = None, context: str = "", **settings: Any) -> AsyncClient:
        """By a kubeconfig: this file, or those of KUBECONFIG, or ~/.kube/config. Raises UsageError, KubernetesError.

        >>> async with AsyncClient.from_kubeconfig() as client:
        ...     len(await client.list("pods"))
        1
        """
        return cls(load(path).connection(context), **settings)

    @classmethod
    def in_cluster(cls, **settings: Any) -> AsyncClient:
        """As the pod that this process runs in. Raises UsageError.

        >>> AsyncClient.in_cluster()
        Traceback (most recent call last):
        UsageError: this process does not run in a pod with a service account
        """
        return cls(in_cluster(), **settings)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection.

        >>> await client.close()
        """
        await self.wire.close()

    async def run(self, call: Call[T], plan: str = "") -> T:
        """Carry any call through: what `api` has, or one of your own. `plan`: digest of the plan that it is a part of.

        >>> (await client.run(client.api.get("configmaps", "greeting")))["data"]
        {'text': 'hello'}
        """
        return await self.wire.run(call, plan)

    async def get(self, kind: str | Resource, name: str, namespace: str | None = None, *, subresource: str = "") -> Object:
        """One object.

        >>> (await client.get("configmaps", "greeting"))["data"]
        {'text': 'hello'}
        """
        return await self.run(self.api.get(kind, name, namespace, subresource=subresource))

    async def get_many(self, kind: str | Resource, names: Iterable[str], namespace: str | None = None) -> Objects:
        """Several objects side by side, in the order of their names.

        >>> [item["metadata"]["name"] for item in await client.get_many("replicasets", ["web-2", "web-1"])]
        ['web-2', 'web-1']
        """
        return await self.run(self.api.get_many(kind, names, namespace))

    async def pages(
        self, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "",
        limit: int = PAGE, accept: str = JSON,
    ) -> AsyncIterator[Page]:  # fmt: skip
        """A list, page by page: memory stays flat however long it is. ApiError 410: it took so long that the list is gone.

        >>> [len(page.items) async for page in client.pages("replicasets", limit=1)]
        [1, 1]
        """
        token = ""
        while True:
            page = await self.run(
                self.api.page(kind, namespace, select=Select(labels, fields), limit=limit, token=token, accept=accept)
            )
            yield page
            token = page.token
            if not token:
                return

    async def each(
        self, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = PAGE
    ) -> AsyncIterator[Object]:
        """The objects of a list one by one: of those that were taken, nothing is held any more when the next page comes.

        >>> [pod["metadata"]["name"] async for pod in client.each("pods", "*", labels="app=web")]
        ['web-0']
        """
        token = ""
        while True:
            token, items = await self.run(
                self.api.sheaf(kind, namespace, select=Select(labels, fields), limit=limit, token=token)
            )
            for item in items:
                yield item
            if not token:
                return

    async def list(
        self, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = PAGE
    ) -> Objects:
        """All objects of a kind, in pages of `limit`.

        >>> [node["metadata"]["name"] for node in await client.list("nodes")]
        ['work-1']
        """
        return [
            item async for page in self.pages(kind, namespace, labels=labels, fields=fields, limit=limit) for item in page.items
        ]

    async def create(self, item: Object, namespace: str | None = None, *, dry_run: bool = False) -> Object:
        """Make an object.

        >>> item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"text": "hi"}}
        >>> (await client.create(item))["data"]
        {'text': 'hi'}
        """
        return await self.run(self.api.create(item, namespace, dry_run=dry_run))

    async def replace(
        self, item: Object, namespace: str | None = None, *, subresource: str = "", dry_run: bool = False
    ) -> Object:
        """Put it in place of the one of its name; with a resourceVersion only of that version (`kube/conflict`).

        >>> item = await client.get("configmaps", "greeting")
        >>> (await client.replace({**item, "data": {"text": "good day"}}))["data"]
        {'text': 'good day'}
        """
        return await self.run(self.api.replace(item, namespace, subresource=subresource, dry_run=dry_run))

    async def patch(
        self, kind: str | Resource, name: str, patch: Any, namespace: str | None = None, *, how: PatchKind = "merge",
        subresource: str = "", dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Change a part: a merge patch, a list of JSON patch operations (`json`), or a `strategic` merge patch.

        >>> (await client.patch("configmaps", "greeting", {"data": {"more": "1"}}))["data"]
        {'text': 'hello', 'more': '1'}
        """
        return await self.run(self.api.patch(kind, name, patch, namespace, how=how, subresource=subresource, dry_run=dry_run))

    async def apply(
        self, item: Object, namespace: str | None = None, *, force: bool = False, dry_run: bool = False, subresource: str = ""
    ) -> Object:
        """Server-side apply. ApiError `kube/owned` lists the fields that other managers own, unless `force`.

        >>> item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"text": "hi"}}
        >>> (await client.apply(item))["data"]
        {'text': 'hi'}
        """
        return await self.run(self.api.apply(item, namespace, force=force, dry_run=dry_run, subresource=subresource))

    async def delete(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, propagation: Propagation = "Background",
        uid: str = "", version: str = "", grace: int | None = None, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Delete; with `uid` or `version` only that very object.

        >>> found = await client.delete("configmaps", "greeting")
        >>> await client.get("configmaps", "greeting")
        Traceback (most recent call last):
        ApiError: get configmaps default/greeting: there is no such thing
        """
        return await self.run(
            self.api.delete(
                kind, name, namespace, propagation=propagation, uid=uid, version=version, grace=grace, dry_run=dry_run
            )
        )

    async def resources(self) -> tuple[Resource, ...]:
        """Every kind that the server has.

        >>> "deployments.apps" in {resource.full_name for resource in await client.resources()}
        True
        """
        return await self.run(self.kinds.all(fresh=True))

    async def may(
        self, verb: str, kind: str | Resource, namespace: str | None = None, *, name: str = "", subresource: str = ""
    ) -> bool:
        """Whether this user may do that (SelfSubjectAccessReview).

        >>> await client.may("delete", "pods", "default")
        True
        """
        return await self.run(self.api.may(verb, kind, namespace, name=name, subresource=subresource))

    async def watch(
        self, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Event]:
        """Everything there is, as ADDED, then every change, until the task is cancelled or the loop is left.

        Broken connections and forgotten versions do not show; an object that went in a gap comes as DELETED.

        >>> async for event in client.watch("pods", labels="app=web"):
        ...     print(event.type, event.object["metadata"]["name"])
        ...     break
        ADDED web-0
        """
        resource = await self.run(self.kinds.find(kind))
        machine = Watch(resource, self.api.place(resource, namespace), Select(labels, fields), self.wire.policy)
        async with aclosing(self.follow(machine)) as events:
            async for event in events:
                yield event

    async def follow(self, machine: Watch, opened: Callable[[], None] | None = None) -> AsyncGenerator[Event, None]:
        """Carry a watch's state machine through. `opened` is called when a stream is open: the list before it was given.

        >>> from sloth.kube.watch import Watch
        >>> events = client.follow(Watch(await client.run(client.kinds.find("pods")), "default"))
        >>> (await anext(events)).type
        'ADDED'
        >>> await events.aclose()
        """
        while True:
            wanted = machine.plan()
            try:
                if isinstance(wanted, Pause):
                    await asyncio.sleep(wanted.seconds)
                elif isinstance(wanted, Relist):
                    for event in await self._relist(machine):
                        yield event
                else:
                    async with self.wire.stream(wanted.request, SILENCE) as chunks:
                        if opened:
                            opened()
                        async for chunk in chunks:
                            for event in machine.feed(chunk):
                                yield event
                            machine.check()
                    machine.ended()
            except SlothError as error:
                machine.failed(error)

    async def _relist(self, machine: Watch) -> Events:
        items: Objects = []
        version = ""
        pages = self.pages(machine.resource, machine.namespace, labels=machine.select.labels, fields=machine.select.fields)
        async for page in pages:
            items += page.items
            version = version or page.version
        return machine.listed(items, version)

    @asynccontextmanager
    async def open(self, request: Request, silence: float = SILENCE) -> AsyncIterator[AsyncIterator[bytes]]:
        r"""A body as it comes, such as a log that is followed.

        >>> query = [("container", "app"), ("tailLines", "1")]
        >>> async with client.open(await client.run(client.api.log_request("web-0", query=query))) as chunks:
        ...     b"".join([chunk async for chunk in chunks])
        b'GET /\n'
        """
        async with self.wire.stream(request, silence) as chunks:
            yield chunks
