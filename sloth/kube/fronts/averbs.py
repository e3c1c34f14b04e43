"""Workloads, nodes, logs and waiting as methods of the async client. What a method needs is imported when it is called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.kube.streams.averbs import AsyncStreams

if TYPE_CHECKING:
    from sloth.kube.fronts.logs import LogLine
    from sloth.kube.fronts.manifests import AsyncManifests
    from sloth.kube.fronts.rollout import AsyncRollout
    from sloth.kube.fronts.waits import Until
    from sloth.kube.resource import Resource
    from sloth.kube.streams.copying import Copied
    from sloth.kube.wire import Object
    from sloth.kube.workloads.identity import User
    from sloth.kube.workloads.triage import Triage
    from sloth.model.secret import Secret


class AsyncVerbs(AsyncStreams):
    """What `AsyncClient` can do with workloads, nodes and logs. `port_forward` is `forward` by kubectl's name."""

    port_forward = AsyncStreams.forward

    @property
    def rollout(self) -> AsyncRollout:
        """Updates of workloads: `status`, `history`, `undo`, `restart`, `pause`, `resume`.

        >>> (await client.rollout.status("deploy", "web")).text
        'rolled out'
        """
        from sloth.kube.fronts.rollout import AsyncRollout

        return AsyncRollout(self.api, self.wire)

    @property
    def manifests(self) -> AsyncManifests:
        """The apply engine: `plan` and `apply` whole sets of objects, `history` and `rollback` of a set.

        >>> text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: greeting}, data: {text: good day}}"
        >>> plan = await client.manifests.plan(text, force=True)
        >>> [(each.action, each.entry.name) for each in plan.changes]
        [('change', 'greeting')]
        >>> done = await client.manifests.apply(plan)
        """
        from sloth.kube.fronts.manifests import AsyncManifests

        return AsyncManifests(self.api, self.wire)

    async def scale(
        self, kind: str | Resource, name: str, replicas: int, namespace: str | None = None, *, current: int | None = None,
        version: str = "", dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Set the replicas of whatever has a `scale` subresource: the Scale object after that.

        With `current` or `version` only if it has so many replicas now, or is of that resource version.
        Raises KubernetesError (`kube/other-scale`), UsageError (the kind has no replicas), ApiError.

        >>> (await client.scale("deploy", "web", 3))["spec"]["replicas"]
        3
        """
        from sloth.kube.workloads.scaling import scale

        return await self.wire.run(
            scale(self.api, kind, name, replicas, namespace, current=current, version=version, dry_run=dry_run)
        )

    async def wait(
        self, kind: str | Resource, name: str | Iterable[str], namespace: str | None = None, *, until: Until = "",
        seconds: float = 300.0, every: float = 1.0,
    ) -> list[Object]:  # fmt: skip
        """Wait until objects are ready by the rules of kstatus, or `until` something else is so: the objects as they are then.

        `until`: a condition (`"Ready"`, `"Ready=False"`), `"delete"`, `"create"`, `"jsonpath={.status.phase}=Running"`, or a
        function of the object. `every`: seconds between two looks. Raises KubernetesError (`kube/not-healthy`, `kube/not-so`,
        `kube/still-there`) with the state of each, ApiError.

        >>> [pod] = await client.wait("pod", "web-0", until="Ready", seconds=60)
        >>> [pod] = await client.wait("pod", "web-0", until=lambda pod: pod["status"]["phase"] == "Running")
        >>> await client.wait("pods", ["gone-1", "gone-2"], until="delete")
        []
        """
        from sloth.kube.fronts.waits import wait

        names = [name] if isinstance(name, str) else list(name)
        return await self.wire.run(wait(self.api, kind, names, namespace, until=until, seconds=seconds, every=every))

    async def logs(
        self, what: str = "", namespace: str | None = None, *, labels: str = "", container: str = "", follow: bool = False,
        previous: bool = False, timestamps: bool = False, tail: int | None = None, since: float | datetime | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[LogLine]:  # fmt: skip
        """Lines of a pod (`web-0`), of all pods of a workload or service (`deploy/web`), or of those with these `labels`.

        `container`: a name, `*` for all, nothing for the default one. `follow` goes on until the logs end or the loop is left;
        then lines of several logs come as they are written, else one log comes after the other. A slow reader slows the server
        down. `since`: seconds, or a time with its zone; `limit`: bytes of each log. Raises UsageError, KubernetesError, ApiError.

        >>> [line.text async for line in client.logs("web-0", tail=2)]
        ['listening on :8080', 'GET /']
        >>> {line.pod async for line in client.logs("deploy/web", container="*")}
        {'web-0'}
        """
        from sloth.kube.fronts import agather
        from sloth.kube.fronts.logs import LogOptions, sources

        options = LogOptions(container, follow, previous, timestamps, tail, since, limit)
        found = await self.wire.run(sources(self.api, what, namespace, labels, options))
        async with aclosing(agather.read(self.wire, found, follow=follow)) as lines:
            async for line in lines:
                yield line

    async def events(
        self, namespace: str | None = None, *, kind: str | Resource = "", name: str = "", uid: str = "",
        types: Collection[str] = (),
    ) -> list[Object]:  # fmt: skip
        """Events of a namespace, or of one object, the latest last. `types`: `Normal`, `Warning`. Raises ApiError.

        >>> [event["reason"] for event in await client.events(kind="pod", name="web-0", types=["Warning"])]
        ['Unhealthy']
        """
        from sloth.kube.fronts.looks import events

        return await self.wire.run(events(self.api, namespace, kind, name, uid=uid, types=types))

    async def cordon(self, node: str, *, dry_run: bool = False) -> bool:
        """Let no new pods onto a node: whether that changed anything. Raises ApiError.

        >>> await client.cordon("work-1"), await client.cordon("work-1")
        (True, False)
        """
        from sloth.kube.workloads.draining import cordon

        return await self.wire.run(cordon(self.api, node, dry_run=dry_run))

    async def uncordon(self, node: str, *, dry_run: bool = False) -> bool:
        """Let new pods onto a node again: whether that changed anything. Raises ApiError.

        >>> await client.uncordon("work-1")
        False
        """
        from sloth.kube.workloads.draining import cordon

        return await self.wire.run(cordon(self.api, node, on=False, dry_run=dry_run))

    async def drain(
        self, *nodes: str, lose: Collection[str] = (), lose_empty_dirs: bool = False, lose_unmanaged: bool = False,
        budgets: Collection[str] = (), labels: str = "", grace: int | None = None, seconds: float = 300.0, dry_run: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> dict[str, Triage]:  # fmt: skip
        """Cordon nodes, then evict their pods, one node after the other, and wait until they ended: what went and what was left.

        Disruption budgets are kept, but for those in `budgets` (`namespace/name`). Pods that would be lost are refused before
        anything is evicted, unless `lose` has their `namespace/name` or all of their sort may be lost. `say` gets what happens;
        `grace` is seconds that pods have to end.
        Raises KubernetesError (`kube/would-be-lost`, not done in `seconds`), ApiError.

        >>> found = await client.drain("work-1", lose_unmanaged=True, seconds=60, dry_run=True)
        >>> [pod["metadata"]["name"] for pod in found["work-1"].evict]
        ['web-0']
        """
        from sloth.kube.workloads.draining import drain_all
        from sloth.kube.workloads.evictions import Rules
        from sloth.kube.workloads.triage import Allow

        rules = Rules(Allow(lose, lose_empty_dirs, lose_unmanaged), seconds, grace, labels, dry_run, budgets=budgets)
        return dict(await self.wire.run(drain_all(self.api, nodes, rules, say)))

    async def can_i(
        self, verb: str, what: str | Resource, namespace: str | None = None, *, name: str = "", subresource: str = ""
    ) -> bool:
        """Whether this user may do that: with a kind of objects, or with a path such as `/metrics`. Raises ApiError.

        >>> await client.can_i("delete", "pods", "default"), await client.can_i("get", "/metrics")
        (True, True)
        """
        from sloth.kube.fronts.looks import can_i

        return await self.wire.run(can_i(self.api, verb, what, namespace, name=name, subresource=subresource))

    async def who_am_i(self) -> User:
        """Who we are to the server, impersonation included. Raises ApiError.

        >>> (await client.who_am_i()).name
        'tester'
        """
        from sloth.kube.workloads.identity import who_am_i

        return await self.wire.run(who_am_i())

    async def token_review(self, token: Secret, audiences: Sequence[str] = ()) -> User:
        """Whose token that is. Raises CredentialsError if the server does not accept it, ApiError (we may not ask that).

        >>> from sloth.model.secret import Secret
        >>> await client.token_review(Secret("a token of a caller"))
        Traceback (most recent call last):
        CredentialsError: the cluster does not accept this token
        """
        from sloth.kube.workloads.identity import review

        return await self.wire.run(review(token, audiences))

    async def cp(self, source: str | Path, target: str | Path, *, container: str = "", follow: bool = False) -> Copied:
        """Copy between this machine (a `Path`) and a container (`[NAMESPACE/]POD:PATH`), as `copy_to` and `copy_from` do.

        Raises KubernetesError, UsageError, ConnectError.

        >>> from pathlib import Path
        >>> (await client.cp(Path("page.html"), f"web-0:{folder}/copy.html")).files
        1
        >>> (await client.cp(f"web-0:{folder}/copy.html", Path("back.html"))).files
        1
        """
        from sloth.kube.fronts.looks import ends

        pod, path, space, local = ends(source, target)
        if isinstance(source, Path):
            return await self.copy_to(pod, local, path, space, container=container, follow=follow)
        return await self.copy_from(pod, path, local, space, container=container, follow=follow)
