"""Phase: delete everything that carries the cluster's tag, and look again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.errors import MachinesError
from sloth.mesh.host import removal
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import DestroyMachines, Each, Keep, PhaseRun, Together
from sloth.model.record import Record
from sloth.model.step import Do, Script
from sloth.phases.backup_schedule import withdrawn
from sloth.phases.survey import providers


@dataclass(frozen=True)
class CleanHosts:
    """Existing hosts stay, so what sloth put there is removed from them; made machines are simply deleted later."""

    distribution: Distribution
    title: str = "Clean existing hosts"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Workers first, then the control plane."""
        for group in (cluster.workers, cluster.control_plane):
            yield Each(
                title=self.title,
                scripts={node.name: self._clean(node, cluster) for node in group if node.machine.existing},
            )
        return cluster

    def _clean(self, node: Node, cluster: Cluster) -> Script[None]:
        yield from self.distribution.remove(node, cluster)
        yield [withdrawn(), *removal(), Do(title="remove what sloth kept there", run="rm -rf /etc/sloth /var/lib/sloth")]


@dataclass(frozen=True)
class Destroy:
    """Machines, networks, volumes and balancers go; then a survey must find nothing."""

    title: str = "Delete machines"

    def run(self, cluster: Cluster) -> PhaseRun:
        """All providers side by side; what is left is an error that lists it."""
        answers = yield Together(orders=tuple(DestroyMachines(provider=provider) for provider in providers(cluster)))
        left = [text for answer in answers for text in answer]
        if left:
            raise MachinesError(
                "machines/left-over",
                f"{len(left)} of {cluster.spec.name}'s resources could not be deleted",
                detail="\n".join(left),
                hint="sloth down",
            )

        def forget(record: Record) -> Record:
            names = [lease.name for lease in record.leases]
            return replace(record.without_placements(names), nodes={}, leases=(), kubeconfig=None)

        return replace(cluster, record=(yield Keep(change=forget)), nodes=())
