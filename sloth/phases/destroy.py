"""Phase: delete everything that carries the cluster's tag, and look again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloth.errors import MachinesError
from sloth.model.cluster import Cluster
from sloth.model.phase import DestroyMachines, Keep, PhaseRun, Together
from sloth.model.record import Record
from sloth.phases.survey import providers


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
