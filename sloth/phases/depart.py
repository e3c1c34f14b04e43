"""Phase: take out nodes that the spec no longer asks for: from Kubernetes, then the machine, then the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import methodcaller

from sloth.contracts.distribution import Distribution
from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.node import Login, Node
from sloth.model.phase import DeleteMachines, Each, Keep, PhaseRun
from sloth.model.record import Record
from sloth.phases.clean import clean_left
from sloth.phases.emptying import emptied
from sloth.phases.quorum import guard
from sloth.phases.server import working_server


@dataclass(frozen=True)
class Depart:
    """Drain, delete from Kubernetes (and etcd), delete or clean the machine, forget the lease: one node after the other."""

    distribution: Distribution
    login_for: Callable[[Node, Record], Login]
    title: str = "Remove nodes"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Finish every removal that the plan holds, also those begun by an earlier run. Raises KubernetesError."""
        for lease in cluster.plan.remove:
            server = working_server(cluster)
            if server:
                if lease.role == "control-plane":
                    yield from guard(self.distribution, server, [lease.name], cluster)
                yield from emptied(self.distribution, server, lease.name, cluster)
                yield Each(
                    title=f"take out {lease.name}",
                    scripts={server.name: self.distribution.evict(server, lease.name, cluster)},
                )
            elif cluster.record.node(lease.name).joined:
                raise KubernetesError(
                    "kubernetes/no-server",
                    f"{lease.name} cannot be removed: no control-plane node answers, so it cannot be drained",
                    hint="sloth status",
                )
            yield DeleteMachines(provider=lease.provider, names=(lease.name,))
            if not lease.ordinal:  # an existing host
                yield from clean_left(self.distribution, self.login_for, lease, cluster)
            record = yield Keep(change=methodcaller("without_node", lease.name))
            cluster = replace(cluster, record=record, changed=cluster.changed | {lease.name})
        return cluster
