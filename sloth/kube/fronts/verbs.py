"""Workloads, nodes, logs and waiting as methods of the sync client. What a method needs is imported when it is called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.kube.streams.verbs import Streams

if TYPE_CHECKING:
    from sloth.kube.fronts.logs import LogLine
    from sloth.kube.fronts.manifests import Manifests
    from sloth.kube.fronts.rollout import Rollout
    from sloth.kube.fronts.waits import Until
    from sloth.kube.resource import Resource
    from sloth.kube.streams.copying import Copied
    from sloth.kube.wire import Object
    from sloth.kube.workloads.identity import User
    from sloth.kube.workloads.triage import Triage
    from sloth.model.secret import Secret


class Verbs(Streams):
    """What `Client` can do with workloads, nodes and logs. `port_forward` is `forward` by kubectl's name."""

    port_forward = Streams.forward

    @property
    def rollout(self) -> Rollout:
        """Updates of workloads: `status`, `history`, `undo`, `restart`, `pause`, `resume`.

        >>> client.rollout.status("deploy", "web").text
        'rolled out'
        """
        from sloth.kube.fronts.rollout import Rollout

        return Rollout(self.api, self.wire)

    @property
    def manifests(self) -> Manifests:
        """The apply engine: `plan` and `apply` whole sets of objects, `history` and `rollback` of a set.

        >>> text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: greeting}, data: {text: good day}}"
        >>> plan = client.manifests.plan(text, force=True)
        >>> [(each.action, each.entry.name) for each in plan.changes]
        [('change', 'greeting')]
        >>> done = client.manifests.apply(plan)
        """
        from sloth.kube.fronts.manifests import Manifests

        return Manifests(self.api, self.wire)

    def scale(
        self, kind: str | Resource, name: str, replicas: int, namespace: str | None = None, *, current: int | None = None,
        version: str = "", dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Set the replicas of whatever has a `scale` subresource: the Scale object after that.

        With `current` or `version` only if it has so many replicas now, or is of that resource version.
        Raises KubernetesError (`kube/other-scale`), UsageError (the kind has no replicas), ApiError.

        >>> client.scale("deploy", "web", 3)["spec"]["replicas"]
        3
        """
        from sloth.kube.workloads.scaling import scale

        return self.wire.run(scale(self.api, kind, name, replicas, namespace, current=current, version=version, dry_run=dry_run))

    def wait(
        self, kind: str | Resource, name: str | Iterable[str], namespace: str | None = None, *, until: Until = "",
        seconds: float = 300.0, every: float = 1.0,
    ) -> list[Object]:  # fmt: skip
        """Wait until objects are ready by the rules of kstatus, or `until` something else is so: the objects as they are then.

        `until`: a condition (`"Ready"`, `"Ready=False"`), `"delete"`, `"create"`, `"jsonpath={.status.phase}=Running"`, or a
        function of the object. `every`: seconds between two looks. Raises KubernetesError (`kube/not-healthy`, `kube/not-so`,
        `kube/still-there`) with the state of each, ApiError.

        >>> [pod] = client.wait("pod", "web-0", until="Ready", seconds=60)
        >>> [pod] = client.wait("pod", "web-0", until=lambda pod: pod["status"]["phase"] == "Running")
        >>> client.wait("pods", ["gone-1", "gone-2"], until="delete")
        []
        """
        from sloth.kube.fronts.waits import wait

        names = [name] if isinstance(name, str) else list(name)
        return self.wire.run(wait(self.api, kind, names, namespace, until=until, seconds=seconds, every=every))

    def logs(
        self, what: str = "", namespace: str | None = None, *, labels: str = "", container: str = "", follow: bool = False,
        previous: bool = False, timestamps: bool = False, tail: int | None = None, since: float | datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[LogLine]:  # fmt: skip
        """Lines of a pod (`web-0`), of all pods of a workload or service (`deploy/web`), or of those with these `labels`.

        `container`: a name, `*` for all, nothing for the default one. `follow` goes on until the logs end or the loop is left;
        then lines of several logs come as they are written, else one log comes after the other. A slow reader slows the server
        down. `since`: seconds, or a time with its zone; `limit`: bytes of each log. Raises UsageError, KubernetesError, ApiError.

        >>> [line.text for line in client.logs("web-0", tail=2)]
        ['listening on :8080', 'GET /']
        >>> {line.pod for line in client.logs("deploy/web", container="*")}
        {'web-0'}
        """
        from sloth.kube.fronts import gather
        from sloth.kube.fronts.logs import LogOptions, sources

        options = LogOptions(container, follow, previous, timestamps, tail, since, limit)
        return gather.read(self.wire, self.wire.run(sources(self.api, what, namespace, labels, options)), follow=follow)

    def events(
        self, namespace: str | None = None, *, kind: str | Resource = "", name: str = "", uid: str = "",
        types: Collection[str] = (),
    ) -> list[Object]:  # fmt: skip
        """Events of a namespace, or of one object, the latest last. `types`: `Normal`, `Warning`. Raises ApiError.

        >>> [event["reason"] for event in client.events(kind="pod", name="web-0", types=["Warning"])]
        ['Unhealthy']
        """
        from sloth.kube.fronts.looks import events

        return self.wire.run(events(self.api, namespace, kind, name, uid=uid, types=types))

    def cordon(self, node: str, *, dry_run: bool = False) -> bool:
        """Let no new pods onto a node: whether that changed anything. Raises ApiError.

        >>> client.cordon("work-1"), client.cordon("work-1")
        (True, False)
        """
        from sloth.kube.workloads.draining import cordon

        return self.wire.run(cordon(self.api, node, dry_run=dry_run))

    def uncordon(self, node: str, *, dry_run: bool = False) -> bool:
        """Let new pods onto a node again: whether that changed anything. Raises ApiError.

        >>> client.uncordon("work-1")
        False
        """
        from sloth.kube.workloads.draining import cordon

        return self.wire.run(cordon(self.api, node, on=False, dry_run=dry_run))

    def drain(
        self, *nodes: str, lose: Collection[str] = (), lose_empty_dirs: bool = False, lose_unmanaged: bool = False,
        budgets: Collection[str] = (), labels: str = "", grace: int | None = None, seconds: float = 300.0, dry_run: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> dict[str, Triage]:  # fmt: skip
        """Cordon nodes, then evict their pods, one node after the other, and wait until they ended: what went and what was left.

        Disruption budgets are kept, but for those in `budgets` (`namespace/name`). Pods that would be lost are refused before
        anything is evicted, unless `lose` has their `namespace/name` or all of their sort may be lost. `say` gets what happens;
        `grace` is seconds that pods have to end.
        Raises KubernetesError (`kube/would-be-lost`, not done in `seconds`), ApiError.

        >>> found = client.drain("work-1", lose_unmanaged=True, seconds=60, dry_run=True)
        >>> [pod["metadata"]["name"] for pod in found["work-1"].evict]
        ['web-0']
        """
        from sloth.kube.workloads.draining import drain_all
        from sloth.kube.workloads.evictions import Rules
        from sloth.kube.workloads.triage import Allow

        rules = Rules(Allow(lose, lose_empty_dirs, lose_unmanaged), seconds, grace, labels, dry_run, budgets=budgets)
        return dict(self.wire.run(drain_all(self.api, nodes, rules, say)))

    def can_i(
        self, verb: str, what: str | Resource, namespace: str | None = None, *, name: str = "", subresource: str = ""
    ) -> bool:
        """Whether this user may do that: with a kind of objects, or with a path such as `/metrics`. Raises ApiError.

        >>> client.can_i("delete", "pods", "default"), client.can_i("get", "/metrics")
        (True, True)
        """
        from sloth.kube.fronts.looks import can_i

        return self.wire.run(can_i(self.api, verb, what, namespace, name=name, subresource=subresource))

    def who_am_i(self) -> User:
        """Who we are to the server, impersonation included. Raises ApiError.

        >>> client.who_am_i().name
        'tester'
        """
        from sloth.kube.workloads.identity import who_am_i

        return self.wire.run(who_am_i())

    def token_review(self, token: Secret, audiences: Sequence[str] = ()) -> User:
        """Whose token that is. Raises CredentialsError if the server does not accept it, ApiError (we may not ask that).

        >>> from sloth.model.secret import Secret
        >>> client.token_review(Secret("a token of a caller"))
        Traceback (most recent call last):
        CredentialsError: the cluster does not accept this token
        """
        from sloth.kube.workloads.identity import review

        return self.wire.run(review(token, audiences))

    def cp(self, source: str | Path, target: str | Path, *, container: str = "", follow: bool = False) -> Copied:
        """Copy between this machine (a `Path`) and a container (`[NAMESPACE/]POD:PATH`), as `copy_to` and `copy_from` do.

        Raises KubernetesError, UsageError, ConnectError.

        >>> from pathlib import Path
        >>> client.cp(Path("page.html"), f"web-0:{folder}/copy.html").files
        1
        >>> client.cp(f"web-0:{folder}/copy.html", Path("back.html")).files
        1
        """
        from sloth.kube.fronts.looks import ends

        pod, path, space, local = ends(source, target)
        if isinstance(source, Path):
            return self.copy_to(pod, local, path, space, container=container, follow=follow)
        return self.copy_from(pod, path, local, space, container=container, follow=follow)
