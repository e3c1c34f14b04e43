"""Phases: may these nodes leave the cluster for good? And: they shall."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasEtcd
from sloth.etcd.access import EtcdAccess
from sloth.etcd.steps import room
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, Keep, PhaseRun
from sloth.model.record import Record
from sloth.model.step import Script
from sloth.phases.quorum import guard_removal
from sloth.phases.server import members, server_of


@dataclass(frozen=True)
class LeaveCheck:
    """The quorum guard by itself, and room for its snapshot, before anything is begun or marked: what it refuses is not begun."""

    distribution: Distribution
    names: tuple[str, ...]
    title: str = "Quorum guard"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises UsageError for an unknown node, KubernetesError `etcd/quorum`, StepError `node/disk-full`."""
        names = members(cluster, self.names)
        servers = [lease.name for lease in cluster.record.leases if lease.role == "control-plane" and lease.name in names]
        if servers and isinstance(self.distribution, HasEtcd):
            server = server_of(cluster, avoid=names)
            leaving = yield from guard_removal(self.distribution, server, servers, cluster)
            if any(not member.learner for member in leaving):
                asked = _room(self.distribution.etcd_access())
                yield Each(title=f"look for room on {server.name}", scripts={server.name: asked})
        return cluster


def _room(access: EtcdAccess) -> Script[None]:
    yield room(access)


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
