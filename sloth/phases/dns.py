"""Phase: the API's name in DNS points at the load balancer, or at the control-plane nodes' public addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sloth.model.cluster import Cluster
from sloth.model.names import NamePlan
from sloth.model.phase import Balance, Keep, PhaseRun, Publish
from sloth.model.record import Record

_MEMORY = "dns"  # key in what the record remembers of a provider
_KEPT = ("host", "zone", "ttl", "targets")


@dataclass(frozen=True)
class Dns:
    """What the spec does not ask for any more is deleted; what is as it should be is left alone.

    It comes before nodes leave: an address that is gone may be somebody else's a minute later.
    """

    title: str = "DNS record"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Publish; the record knows of it before anything is made."""
        chosen = cluster.spec.network.dns.provider
        for provider, known in published(cluster).items():
            if provider != chosen:
                yield Publish(provider=provider, wanted=None, before=known)
                cluster = replace(cluster, record=(yield Keep(change=partial(forgotten, provider=provider))))
        if not chosen:
            return cluster
        before = published(cluster).get(chosen)
        wanted = replace(_plan(cluster), targets=(yield from _targets(cluster)))
        if before is None:
            yield Keep(change=lambda record: _remembered(record, chosen, wanted))
        yield Publish(provider=chosen, wanted=wanted, before=before)
        record = yield Keep(change=lambda record: _remembered(record, chosen, wanted))
        return replace(cluster, record=record)


@dataclass(frozen=True)
class Withdraw:
    """The name goes before what it points at."""

    title: str = "Delete DNS record"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Delete what the record knows of."""
        for provider, known in published(cluster).items():
            yield Publish(provider=provider, wanted=None, before=known)
            cluster = replace(cluster, record=(yield Keep(change=partial(forgotten, provider=provider))))
        return cluster


def published(cluster: Cluster) -> dict[str, NamePlan]:
    """What was published, or was about to be, by provider."""
    memories = {provider: memory.get(_MEMORY) for provider, memory in cluster.record.providers.items()}
    return {provider: _known(cluster, provider, memory) for provider, memory in memories.items() if memory}


def forgotten(record: Record, provider: str) -> Record:
    """A record that knows of no name at that provider."""
    kept = {key: value for key, value in record.providers.get(provider, {}).items() if key != _MEMORY}
    return replace(record, providers={**record.providers, provider: kept})


def _remembered(record: Record, provider: str, plan: NamePlan) -> Record:
    memory = {key: list(value) if isinstance(value := getattr(plan, key), tuple) else value for key in _KEPT}
    return replace(record, providers={**record.providers, provider: {**record.providers.get(provider, {}), _MEMORY: memory}})


def _known(cluster: Cluster, provider: str, memory: Mapping[str, Any]) -> NamePlan:
    return NamePlan(
        cluster=cluster.spec.name,
        host=str(memory["host"]),
        zone=str(memory["zone"]),
        ttl=int(memory["ttl"]),
        targets=tuple(memory["targets"]),
    )


def _plan(cluster: Cluster) -> NamePlan:
    spec = cluster.spec
    return NamePlan(
        cluster=spec.name, host=spec.kubernetes.hostname, zone=spec.network.dns.zone, ttl=spec.network.dns.ttl
    )  # fmt: skip


def _targets(cluster: Cluster) -> Any:
    """The balancer's address or name, else the addresses of control-plane nodes that are reached without another."""
    nodes = [node for node in cluster.control_plane if node.machine.jump is None and node.machine.address]
    if cluster.spec.kubernetes.load_balancer == "provider" and cluster.control_plane:
        provider = cluster.control_plane[0].lease.provider
        place: str = yield Balance(provider=provider, targets=tuple(node.name for node in cluster.control_plane))
        return (place.rpartition(":")[0].strip("[]"),) if place else ()
    return tuple(node.machine.address for node in nodes)
