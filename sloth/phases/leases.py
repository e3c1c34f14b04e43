"""Phase: give every node its name and addresses and the cluster its secrets, and save them before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sloth.model.cluster import Cluster
from sloth.model.phase import Keep, PhaseRun
from sloth.model.record import Record
from sloth.model.secret import Secret

MakeKey = Callable[[str], tuple[Secret, str]]  # comment -> (private key in OpenSSH format, public key line)
MakeSeed = Callable[[], Secret]  # 256 random bits


@dataclass(frozen=True)
class Leases:
    """Leases and secrets of the cluster. `make_key` and `make_seed` come from outside: phases draw no random numbers."""

    make_key: MakeKey
    make_seed: MakeSeed
    title: str = "Assign names and addresses"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Save leases, the cluster's SSH key and the mesh seed where they are missing; mark nodes that must leave."""
        wanted = self._complete(cluster.record, cluster)
        if wanted != cluster.record:
            cluster = replace(cluster, record=(yield Keep(change=lambda _: wanted)))
        return cluster

    def _complete(self, record: Record, cluster: Cluster) -> Record:
        if record.ssh_key is None:
            private, public = self.make_key(f"sloth-{cluster.spec.name}")
            record = replace(record, ssh_key=private, ssh_public_key=public)
        if record.mesh_seed is None:
            record = replace(record, mesh_seed=self.make_seed())
        if record.engine_key is None:
            record = replace(record, engine_key=self.make_seed())
        for lease in cluster.plan.remove:
            record = record.with_node(lease.name, leaving=True)
        return replace(
            record,
            leases=(*cluster.plan.leases, *cluster.plan.remove),
            kubernetes_version=record.kubernetes_version if record.founded else cluster.version,
        )
