"""Phase: look once more, and only if every node runs the new version and is well, the record says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, Keep, PhaseRun
from sloth.model.record import Record
from sloth.model.step import Script
from sloth.phases.upgrade_begin import RESUME
from sloth.phases.upgrade_look import ask, names, read, server_of
from sloth.phases.upgrade_nodes import calm, each, halting
from sloth.upgrade.checks import unfinished


@dataclass(frozen=True)
class Finish:
    """The record's version is moved here and nowhere else."""

    distribution: Distribution
    title: str = "Check after the upgrade"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises KubernetesError `upgrade/unfinished` with what is missing, `upgrade/halted` if workloads do not come back."""
        server = server_of(cluster)
        stopping = halting("the cluster is not well", cluster)
        answers = yield from stopping(each(Each(title=self.title, scripts={server.name: self._look(cluster)})))
        missing = unfinished(read(answers[server.name], server.name), names(cluster), cluster.version)
        if missing:
            raise KubernetesError(
                "upgrade/unfinished",
                f"the upgrade to {cluster.version} is not complete: {missing[0]}",
                detail="\n".join(missing),
                hint=RESUME,
            )

        def change(record: Record) -> Record:
            return replace(record, kubernetes_version=cluster.version, upgrade={})

        return replace(cluster, record=(yield Keep(change=change)))

    def _look(self, cluster: Cluster) -> Script[str]:
        yield calm(self.distribution, cluster)
        return (yield from ask(self.distribution, cluster))
