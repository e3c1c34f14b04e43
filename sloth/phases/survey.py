"""Phase: see which machines exist, making and changing nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloth.model.cluster import Cluster
from sloth.model.node import Machine, Node
from sloth.model.phase import PhaseRun, SurveyMachines, Together
from sloth.phases.machines import node_of


@dataclass(frozen=True)
class Survey:
    """The cluster's nodes become those recorded nodes whose machine exists and runs."""

    title: str = "Look for machines"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One survey per provider that the spec or the record names."""
        surveys = yield Together(orders=tuple(SurveyMachines(provider=provider) for provider in providers(cluster)))
        machines: dict[str, Machine] = {machine.name: machine for survey in surveys for machine in survey}
        nodes: tuple[Node, ...] = tuple(
            node_of(lease, machines[lease.name], cluster.spec)
            for lease in cluster.record.leases
            if lease.name in machines and machines[lease.name].running
        )
        return replace(cluster, nodes=nodes)


def providers(cluster: Cluster) -> list[str]:
    """Every provider in use, by spec or by record, in a stable order."""
    return list(dict.fromkeys([p.provider for p in cluster.spec.pools] + [x.provider for x in cluster.record.leases]))
