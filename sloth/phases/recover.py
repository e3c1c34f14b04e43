"""Phases of `sloth recover`: find out what is wrong, start services that stand still, take out members whose data is damaged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sloth.contracts.distribution import Distribution
from sloth.health.diagnosis import Ailment, Case, diagnose
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, PhaseRun, SurveyMachines, Together
from sloth.model.step import Script, Step
from sloth.phases.backup_create import able
from sloth.phases.emptying import emptied
from sloth.phases.mesh import in_force, with_mtu
from sloth.phases.mesh import view_of as mesh_view
from sloth.phases.prepare import STAMP, managed_paths
from sloth.phases.quorum import guard
from sloth.phases.server import server_of
from sloth.phases.stamp import stamped
from sloth.phases.survey import providers
from sloth.phases.vitals import view_of


@dataclass(frozen=True)
class Diagnose:
    """After vital signs were taken: hands what is wrong to `tell`. Changes nothing."""

    distribution: Distribution
    tell: Callable[[Sequence[Ailment]], None]
    now: Callable[[], float] = field(default=time.time, repr=False)
    title: str = "Diagnose"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Providers are asked once more, for machines that are there and do not run."""
        surveys = yield Together(orders=tuple(SurveyMachines(provider=provider) for provider in providers(cluster)))
        stopped = {machine.name for survey in surveys for machine in survey if not machine.running}
        names = {lease.name for lease in cluster.record.leases}
        joined = {name for name in names if cluster.record.node(name).joined}
        view = view_of(cluster, self.distribution, self.now())
        case = Case(view=view, members=frozenset(joined), stopped=frozenset(stopped & names), moved=frozenset(_moved(cluster)))
        self.tell(diagnose(case))
        return cluster


def _moved(cluster: Cluster) -> set[str]:
    """Nodes whose mesh in force is not the recorded one. Where a node is away, its peers cannot be judged."""
    if len(cluster.nodes) < len(cluster.record.leases):
        return set()
    cluster = with_mtu(cluster)
    view = mesh_view(cluster)
    return {
        node.name
        for node in cluster.nodes
        if cluster.fact(node.name).get("mesh.public_key") and not in_force(node, view, cluster.fact(node.name))
    }


@dataclass(frozen=True)
class StartServices:
    """The preparation of these nodes once more, whatever their stamps say: it starts what should run and does not."""

    distribution: Distribution
    names: Sequence[str]
    title: str = "Start services"

    def run(self, cluster: Cluster) -> PhaseRun:
        """All of them side by side."""
        scripts = {}
        for node in cluster.nodes:
            if node.name in self.names:
                steps = list(self.distribution.prepare(node, with_mtu(cluster)))
                scripts[node.name] = _list(stamped(STAMP, steps, managed_paths(steps)))
        yield Each(title=self.title, scripts=scripts)
        return replace(cluster, changed=cluster.changed | frozenset(scripts))


@dataclass(frozen=True)
class TakeOutMembers:
    """Control-plane nodes whose etcd cannot go on leave the cluster, with their machine: what `up` does next is a join.

    Under the quorum guard and after a snapshot, as any removal; what is left of their data is put aside on the node, not away.
    Each part that an earlier run did is skipped.
    """

    distribution: Distribution
    names: Sequence[str]
    title: str = "Take out damaged members"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One after the other. Raises KubernetesError `etcd/quorum`, UsageError."""
        saves = able(self.distribution)
        for node in [node for node in cluster.control_plane if node.name in self.names]:
            server = server_of(cluster, avoid=self.names)
            yield from guard(self.distribution, server, [node.name], cluster)
            yield from emptied(self.distribution, server, node.name, cluster)
            out = self.distribution.evict(server, node.name, cluster)
            yield Each(title=f"take out the member of {node.name}", scripts={server.name: out})
            yield Each(title=f"put the data of {node.name} aside", scripts={node.name: saves.halt(node, cluster)})
            cluster = replace(cluster, changed=cluster.changed | {node.name})
        return cluster


def _list(steps: list[Step]) -> Script[None]:
    yield steps
