"""`client.manifests`: the apply engine's door, for the sync and the async client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sloth.kube.fronts import applying
from sloth.kube.fronts.applying import Given, Proposal

if TYPE_CHECKING:
    from sloth.kube.api import Api
    from sloth.kube.applying.history import Kept
    from sloth.kube.applying.inventory import Entry
    from sloth.kube.applying.veil import Seal
    from sloth.kube.async_wire import AsyncWire
    from sloth.kube.sync_wire import SyncWire


class Manifests:
    """Sets of objects: compared with the cluster, applied in stages, pruned by their set, remembered."""

    def __init__(self, api: Api, wire: SyncWire) -> None:
        self._api, self._wire = api, wire

    def plan(
        self, *given: Given, set_name: str = "", namespace: str | None = None, prune: bool = False, prune_guarded: bool = False,
        force: bool = False, recreate: bool = False,
    ) -> Proposal:  # fmt: skip
        """What applying these would change; nothing is changed, the server is asked by dry runs.

        Given: objects (dicts), YAML text, a `Path` of a file, or `(name, bytes)`. With `set_name` they make up a set, and with
        `prune` what left it is deleted (namespaces and custom kinds only with `prune_guarded`). `force` takes over fields that
        others own; `recreate` makes anew what cannot be changed. Raises UsageError, ApiError, KubernetesError, ManyErrors.

        >>> plan = client.manifests.plan({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}, set_name="shop")
        >>> [(each.action, each.entry.kind, each.entry.name) for each in plan.changes]
        [('create', 'ConfigMap', 'new')]
        """
        call = applying.propose(
            self._api, given, set_name, namespace, prune=prune, guarded=prune_guarded, force=force, recreate=recreate
        )
        return self._wire.run(call)

    def apply(self, plan: Proposal, *, seal: Seal | None = None, wait: float = 0) -> list[Entry]:
        """Make a plan true, in stages: the objects that were applied. `wait`: seconds until all are ready.

        With a `seal` (what encrypts values of Secrets) a set's last five applies are kept, to go back to. Nothing is pruned if
        anything failed. Raises ApiError, KubernetesError, ManyErrors.

        >>> plan = client.manifests.plan({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}})
        >>> [entry.name for entry in client.manifests.apply(plan, wait=30)]
        ['new']
        """
        return self._wire.run(applying.carried_out(self._api, plan, seal, wait), plan.digest)

    def history(self, set_name: str, namespace: str | None = None) -> list[Kept]:
        """The applies of a set that are kept, the last one first. Raises ApiError.

        >>> client.manifests.history("shop")
        []
        """
        return self._wire.run(applying.kept(self._api, set_name, namespace))

    def rollback(
        self, set_name: str, number: int = 0, namespace: str | None = None, *, seal: Seal, force: bool = False
    ) -> Proposal:
        """The plan of going back to an earlier apply (0: the last complete one before the latest), for `apply`.

        Raises UsageError (there is none), KubernetesError (sealed with another key), and what `plan` raises.

        >>> for text in ("one", "two"):
        ...     item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"text": text}}
        ...     done = client.manifests.apply(client.manifests.plan(item, set_name="shop"), seal=seal)
        >>> done = client.manifests.apply(client.manifests.rollback("shop", seal=seal), seal=seal)
        >>> client.get("configmaps", "new")["data"]
        {'text': 'one'}
        """
        return self._wire.run(applying.back(self._api, set_name, namespace, number, seal, force=force))


class AsyncManifests:
    """The same, to be awaited."""

    def __init__(self, api: Api, wire: AsyncWire) -> None:
        self._api, self._wire = api, wire

    async def plan(
        self, *given: Given, set_name: str = "", namespace: str | None = None, prune: bool = False, prune_guarded: bool = False,
        force: bool = False, recreate: bool = False,
    ) -> Proposal:  # fmt: skip
        """What applying these would change, as `Manifests.plan` tells it.

        >>> plan = await client.manifests.plan({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}})
        >>> [(each.action, each.entry.kind, each.entry.name) for each in plan.changes]
        [('create', 'ConfigMap', 'new')]
        """
        call = applying.propose(
            self._api, given, set_name, namespace, prune=prune, guarded=prune_guarded, force=force, recreate=recreate
        )
        return await self._wire.run(call)

    async def apply(self, plan: Proposal, *, seal: Seal | None = None, wait: float = 0) -> list[Entry]:
        """Make a plan true, as `Manifests.apply` does.

        >>> plan = await client.manifests.plan({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}})
        >>> [entry.name for entry in await client.manifests.apply(plan, wait=30)]
        ['new']
        """
        return await self._wire.run(applying.carried_out(self._api, plan, seal, wait), plan.digest)

    async def history(self, set_name: str, namespace: str | None = None) -> list[Kept]:
        """The applies of a set that are kept, the last one first. Raises ApiError.

        >>> await client.manifests.history("shop")
        []
        """
        return await self._wire.run(applying.kept(self._api, set_name, namespace))

    async def rollback(
        self, set_name: str, number: int = 0, namespace: str | None = None, *, seal: Seal, force: bool = False
    ) -> Proposal:
        """The plan of going back to an earlier apply, as `Manifests.rollback` makes it.

        >>> for text in ("one", "two"):
        ...     item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"text": text}}
        ...     done = await client.manifests.apply(await client.manifests.plan(item, set_name="shop"), seal=seal)
        >>> done = await client.manifests.apply(await client.manifests.rollback("shop", seal=seal), seal=seal)
        >>> (await client.get("configmaps", "new"))["data"]
        {'text': 'one'}
        """
        return await self._wire.run(applying.back(self._api, set_name, namespace, number, seal, force=force))
