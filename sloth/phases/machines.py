"""Phase: have a running machine for every node, at every provider."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from sloth.model.cluster import Cluster
from sloth.model.node import Lease, Machine, Node
from sloth.model.phase import Keep, MakeMachines, PhaseRun, SurveyMachines, Together
from sloth.model.plan import MachineRequest
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec, HostSpec, PoolSpec
from sloth.phases.clean import remember
from sloth.phases.leases import MakeKey


@dataclass(frozen=True)
class Machines:
    """Create what is missing and start what is stopped; nothing is deleted here."""

    make_key: MakeKey
    title: str = "Machines"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Survey, then apply, all providers side by side; nodes whose machine is new or was stopped become `fresh`."""
        by_provider: dict[str, list[Lease]] = defaultdict(list)
        for lease in cluster.plan.leases:
            by_provider[lease.provider].append(lease)
        surveys = yield Together(orders=tuple(SurveyMachines(provider=provider) for provider in by_provider))
        before = {machine.name: machine for survey in surveys for machine in survey}
        cluster = yield from self._give_boot_keys(cluster, [x.name for x in cluster.plan.leases if x.name not in before])
        orders = tuple(
            MakeMachines(provider=provider, wanted=tuple(request(lease, cluster) for lease in leases))
            for provider, leases in by_provider.items()
        )
        made = yield Together(orders=orders)
        machines: dict[str, Machine] = {machine.name: machine for each in made for machine in each}
        fresh = {x.name for x in cluster.plan.leases if x.name not in before or not before[x.name].running}
        nodes = tuple(node_of(lease, machines[lease.name], cluster.spec) for lease in cluster.plan.leases)
        cluster = replace(cluster, nodes=nodes, fresh=frozenset(fresh), changed=cluster.changed | fresh)
        return (yield from remember(cluster))

    def _give_boot_keys(self, cluster: Cluster, born: list[str]) -> PhaseRun:
        """Save a one-time host key for each machine about to be made; keys of an earlier machine of that name are void."""
        record = cluster.record
        needy = [name for name in born if record.node(name).boot_key is None or record.node(name).host_keys]
        if not needy:
            return cluster
        keys = {name: self.make_key(f"sloth-boot-{name}") for name in needy}

        def change(record: Record) -> Record:
            for name, (private, public) in keys.items():
                record = record.with_node(name, boot_key=private, boot_public_key=public, host_keys=(), mesh_public_key="")
            return record

        return replace(cluster, record=(yield Keep(change=change)))


def request(lease: Lease, cluster: Cluster) -> MachineRequest:
    """What to ask the provider for, for one node."""
    pool = cluster.spec.pool(lease.pool)
    known = cluster.record.node(lease.name)
    return MachineRequest(
        name=lease.name,
        cluster=cluster.spec.name,
        pool=pool.name,
        role=lease.role,
        ssh_public_key=cluster.record.ssh_public_key,
        boot_key_private=known.boot_key,
        boot_key_public=known.boot_public_key,
        options=pool.options,
        host=_host(lease, pool),
        placement=cluster.record.placements(lease.provider).get(lease.name, {}),
    )


def _host(lease: Lease, pool: PoolSpec) -> HostSpec | None:
    return next((host for host in pool.hosts if f"{pool.name}-{host.name}" == lease.name), None)


def node_of(lease: Lease, machine: Machine, spec: ClusterSpec) -> Node:
    """The node made of a lease and its machine, with labels and taints of its pool (if the spec still has that pool)."""
    pool = next((pool for pool in spec.pools if pool.name == lease.pool), None)
    labels = {**spec.labels, **machine.labels, **(pool.labels if pool else {}), "sloth.dev/pool": lease.pool}
    return Node(lease=lease, machine=machine, labels=labels, taints=pool.taints if pool else ())
