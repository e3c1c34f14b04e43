"""Existing hosts stay when the cluster goes, or when they leave it: what sloth put there is removed from them.

Where a host is and how it is known is in the record since it was asked for (`remembered`), because a host that leaves has no
entry in the spec any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sloth.contracts.distribution import Distribution
from sloth.errors import SlothError
from sloth.mesh.host import removal
from sloth.model.cluster import Cluster
from sloth.model.node import Lease, Login, Machine, Node
from sloth.model.phase import Connect, Each, Keep, PhaseRun, Say
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec
from sloth.model.step import Do, Script
from sloth.phases.backup_schedule import withdrawn

_PATIENCE = 15.0  # seconds for a host that is perhaps switched off


@dataclass(frozen=True)
class CleanHosts:
    """All existing hosts, at the end of a cluster; made machines are simply deleted later."""

    distribution: Distribution
    title: str = "Clean existing hosts"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Workers first, then the control plane."""
        for group in (cluster.workers, cluster.control_plane):
            scripts = {node.name: _clean(self.distribution, node, cluster) for node in group if node.machine.existing}
            yield Each(title=self.title, scripts=scripts)
        return cluster


def _clean(distribution: Distribution, node: Node, cluster: Cluster) -> Script[None]:
    yield from distribution.remove(node, cluster)
    yield [withdrawn(), *removal(), Do(title="remove what sloth kept there", run="rm -rf /etc/sloth /var/lib/sloth")]


def remember(cluster: Cluster) -> PhaseRun:
    """Note in the record where existing hosts are; nothing where that is known. Answer: the cluster."""
    now = {node.name: _place(node, cluster.spec) for node in cluster.nodes if node.machine.existing}
    news = {name: place for name, place in now.items() if cluster.record.node(name).host != place}
    if not news:
        return cluster

    def change(record: Record) -> Record:
        for name, place in news.items():
            record = record.with_node(name, host=place)
        return record

    return replace(cluster, record=(yield Keep(change=change)))


def _place(node: Node, spec: ClusterSpec) -> Mapping[str, Any]:
    hosts = {f"{pool.name}-{host.name}": host for pool in spec.pools for host in pool.hosts}
    key = hosts[node.name].host_key if node.name in hosts else ""
    return {"address": node.machine.address, "port": node.machine.port, "user": node.machine.user, "hostKey": key}


def clean_left(
    distribution: Distribution, login_for: Callable[[Node, Record], Login], lease: Lease, cluster: Cluster
) -> PhaseRun:
    """Clean a host that has left; answer: the cluster. One that cannot be cleaned is told, and does not hold the others up."""
    known = cluster.record.node(lease.name).host
    trouble: object = "sloth does not know where it is"
    if known:
        node = Node(lease=lease, machine=_machine(lease.name, known))
        try:
            login = login_for(node, cluster.record)
        except SlothError as error:
            trouble = error
        else:
            keys = login.host_keys or tuple(filter(None, (known["hostKey"],)))
            yield Connect(logins=(replace(login, host_keys=keys, patience=_PATIENCE),))
            scripts = {lease.name: _clean(distribution, node, cluster)}
            trouble = (yield Each(title=f"clean {lease.name}", scripts=scripts, gather=True))[lease.name]
    if trouble is not None:
        text = f"{lease.name} left the cluster; what was installed on that host is still there: {trouble}"
        yield Say(text=text, warning=True)
    return cluster


def _machine(name: str, known: Mapping[str, Any]) -> Machine:
    address, port = known["address"], known["port"]
    return Machine(name=name, id=f"{address}:{port}", address=address, port=port, user=known["user"], existing=True)
