"""Phases: may these nodes leave the cluster for good? And: they shall."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasEtcd
from sloth.model.cluster import Cluster
from sloth.model.phase import Keep, PhaseRun
from sloth.model.record import Record
from sloth.phases.quorum import guard_removal
from sloth.phases.server import members, server_of


@dataclass(frozen=True)
class LeaveCheck:
    """The quorum guard by itself, before machines are started or anything is marked: what it refuses has not been begun."""

    distribution: Distribution
    names: tuple[str, ...]
    title: str = "Quorum guard"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises UsageError for an unknown node, KubernetesError `etcd/quorum`."""
        names = members(cluster, self.names)
        servers = [lease.name for lease in cluster.record.leases if lease.role == "control-plane" and lease.name in names]
        if servers and isinstance(self.distribution, HasEtcd):
            yield from guard_removal(self.distribution, server_of(cluster, avoid=names), servers, cluster)
        return cluster


@dataclass(frozen=True)
class MarkLeaving:
    """Written before the spec is: whatever happens then, these and no others are removed by the next `sloth up`."""

    names: tuple[str, ...]
    title: str = "Note who leaves"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One change of the record."""
        return replace(cluster, record=(yield Keep(change=lambda record: marked(record, self.names))))


def marked(record: Record, names: Collection[str]) -> Record:
    """The record in which the removal of these nodes has begun."""
    for name in names:
        record = record.with_node(name, leaving=True)
    return record
