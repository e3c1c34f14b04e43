"""`client.rollout`: updates of Deployments, StatefulSets and DaemonSets, for the sync and the async client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sloth.kube.workloads import rollouts
from sloth.kube.workloads.revisions import Revision, history, workload
from sloth.kube.workloads.rollout_status import Progress, follow

if TYPE_CHECKING:
    from sloth.kube.api import Api
    from sloth.kube.async_wire import AsyncWire
    from sloth.kube.resource import Resource
    from sloth.kube.sync_wire import SyncWire
    from sloth.kube.wire import Call, Object


def _history(api: Api, kind: str | Resource, name: str, namespace: str | None) -> Call[list[Revision]]:
    _, item = yield from workload(api, kind, name, namespace)
    return (yield from history(api, item))


class Rollout:
    """Updates of workloads. All methods take a kind (`deploy`, `sts`, `ds`) and a name."""

    def __init__(self, api: Api, wire: SyncWire) -> None:
        self._api, self._wire = api, wire

    def status(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, seconds: float = 0,
        say: Callable[[str], None] = lambda text: None,
    ) -> Progress:  # fmt: skip
        """How far an update is; with `seconds` follow it so long, to its end. `say` gets each new state.

        Raises KubernetesError (`kube/rollout-failed`, `kube/rollout-slow`) with the pods that are not ready, UsageError,
        ApiError.

        >>> client.rollout.status("deploy", "web").done
        True
        """
        return self._wire.run(follow(self._api, kind, name, namespace, seconds=seconds, say=say))

    def history(self, kind: str | Resource, name: str, namespace: str | None = None) -> list[Revision]:
        """The revisions that the cluster still keeps, oldest first, each with its pod template. Raises UsageError, ApiError.

        >>> [(each.number, each.cause, each.current) for each in client.rollout.history("deploy", "web")]
        [(1, 'first', False), (2, 'faster', True)]
        """
        return self._wire.run(_history(self._api, kind, name, namespace))

    def undo(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, to: int = 0, dry_run: bool = False
    ) -> tuple[Revision, bool]:
        """Go back to revision `to` (0: the one before): that revision, and whether anything changed.

        Raises UsageError (no such revision, paused), ApiError.

        >>> revision, changed = client.rollout.undo("deploy", "web")
        >>> revision.number, changed
        (1, True)
        """
        return self._wire.run(rollouts.undo(self._api, kind, name, namespace, to=to, dry_run=dry_run))

    def restart(self, kind: str | Resource, name: str, namespace: str | None = None, *, dry_run: bool = False) -> Object:
        """Replace all pods, a few at a time, by the workload's own strategy. Raises UsageError (paused), ApiError.

        >>> sorted(client.rollout.restart("deploy", "web")["spec"]["template"]["metadata"]["annotations"])
        ['kubectl.kubernetes.io/restartedAt']
        """
        call = rollouts.restart(self._api, kind, name, namespace, at=datetime.now(UTC), dry_run=dry_run)
        return self._wire.run(call)

    def pause(self, kind: str | Resource, name: str, namespace: str | None = None, *, dry_run: bool = False) -> bool:
        """Hold a Deployment's updates: whether that changed anything. Raises UsageError, ApiError.

        >>> client.rollout.pause("deploy", "web")
        True
        """
        return self._wire.run(rollouts.pause(self._api, kind, name, namespace, dry_run=dry_run))

    def resume(self, kind: str | Resource, name: str, namespace: str | None = None, *, dry_run: bool = False) -> bool:
        """Let a Deployment's updates go on: whether that changed anything. Raises UsageError, ApiError.

        >>> client.rollout.resume("deploy", "web")
        False
        """
        return self._wire.run(rollouts.pause(self._api, kind, name, namespace, paused=False, dry_run=dry_run))


class AsyncRollout:
    """The same, to be awaited."""

    def __init__(self, api: Api, wire: AsyncWire) -> None:
        self._api, self._wire = api, wire

    async def status(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, seconds: float = 0,
        say: Callable[[str], None] = lambda text: None,
    ) -> Progress:  # fmt: skip
        """How far an update is; with `seconds` follow it so long, to its end. `say` gets each new state.

        Raises KubernetesError (`kube/rollout-failed`, `kube/rollout-slow`) with the pods that are not ready, UsageError,
        ApiError.

        >>> (await client.rollout.status("deploy", "web")).done
        True
        """
        return await self._wire.run(follow(self._api, kind, name, namespace, seconds=seconds, say=say))

    async def history(self, kind: str | Resource, name: str, namespace: str | None = None) -> list[Revision]:
        """The revisions that the cluster still keeps, oldest first, each with its pod template. Raises UsageError, ApiError.

        >>> [(each.number, each.cause, each.current) for each in await client.rollout.history("deploy", "web")]
        [(1, 'first', False), (2, 'faster', True)]
        """
        return await self._wire.run(_history(self._api, kind, name, namespace))

    async def undo(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, to: int = 0, dry_run: bool = False
    ) -> tuple[Revision, bool]:
        """Go back to revision `to` (0: the one before): that revision, and whether anything changed.

        Raises UsageError (no such revision, paused), ApiError.

        >>> revision, changed = await client.rollout.undo("deploy", "web")
        >>> revision.number, changed
        (1, True)
        """
        return await self._wire.run(rollouts.undo(self._api, kind, name, namespace, to=to, dry_run=dry_run))

    async def restart(self, kind: str | Resource, name: str, namespace: str | None = None, *, dry_run: bool = False) -> Object:
        """Replace all pods, a few at a time, by the workload's own strategy. Raises UsageError (paused), ApiError.

        >>> sorted((await client.rollout.restart("deploy", "web"))["spec"]["template"]["metadata"]["annotations"])
        ['kubectl.kubernetes.io/restartedAt']
        """
        call = rollouts.restart(self._api, kind, name, namespace, at=datetime.now(UTC), dry_run=dry_run)
        return await self._wire.run(call)

    async def pause(self, kind: str | Resource, name: str, namespace: str | None = None, *, dry_run: bool = False) -> bool:
        """Hold a Deployment's updates: whether that changed anything. Raises UsageError, ApiError.

        >>> await client.rollout.pause("deploy", "web")
        True
        """
        return await self._wire.run(rollouts.pause(self._api, kind, name, namespace, dry_run=dry_run))

    async def resume(self, kind: str | Resource, name: str, namespace: str | None = None, *, dry_run: bool = False) -> bool:
        """Let a Deployment's updates go on: whether that changed anything. Raises UsageError, ApiError.

        >>> await client.rollout.resume("deploy", "web")
        False
        """
        return await self._wire.run(rollouts.pause(self._api, kind, name, namespace, paused=False, dry_run=dry_run))
