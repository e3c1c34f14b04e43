"""Phase: start the control plane, or join what is missing to it, one member at a time (etcd learners must not race)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Node
from sloth.model.phase import Each, Keep, PhaseRun
from sloth.model.record import Record
from sloth.phases.emptying import emptied
from sloth.phases.quorum import clear_way, guard
from sloth.phases.server import working_server


@dataclass(frozen=True)
class ControlPlane:
    """All control-plane nodes are members."""

    distribution: Distribution
    title: str = "Control plane"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Init where there is no cluster yet; join the others in plan order."""
        cluster = yield from remember_members(cluster, cluster.control_plane)
        missing = missing_members(cluster, cluster.control_plane)
        server = working_server(cluster)
        if server is None:
            server = _founder(self.distribution, cluster)
            missing = [node for node in missing if node.name != server.name]
            yield Each(
                title=f"start Kubernetes on {server.name}",
                scripts={server.name: self.distribution.first_server(server, cluster)},
            )
            cluster = yield from joined(cluster, [server])
        for node in missing:
            cluster = yield from evict_predecessor(self.distribution, server, node, cluster)
            yield from clear_way(self.distribution, server, node, cluster)
            made = yield Each(
                title=f"make a join token for {node.name}",
                scripts={server.name: self.distribution.join_info(server, cluster.at(node.name))},
            )
            info: JoinInfo = made[server.name]
            own = cluster.at(node.name)
            yield Each(title=f"join {node.name}", scripts={node.name: self.distribution.join(node, own, info)})
            cluster = yield from joined(cluster, [node])
        return replace(cluster, facts=_member_facts(cluster, server))


def missing_members(cluster: Cluster, nodes: Sequence[Node]) -> list[Node]:
    """Those of `nodes` that were not seen to be members."""
    return [node for node in nodes if cluster.fact(node.name).get("kube.state") != "joined"]


def remember_members(cluster: Cluster, nodes: Sequence[Node]) -> PhaseRun:
    """Record those that are members already: a run that was cut off may have joined them and not come to record it."""
    members = [node.name for node in nodes if cluster.fact(node.name).get("kube.state") == "joined"]
    unknown = [name for name in members if not cluster.record.node(name).joined]
    return replace(cluster, record=(yield _keep_joined(unknown))) if unknown else cluster


def joined(cluster: Cluster, nodes: Sequence[Node]) -> PhaseRun:
    """Remember that these nodes are members now."""
    names = [node.name for node in nodes]
    record = yield _keep_joined(names)
    return replace(cluster, record=record, changed=cluster.changed | frozenset(names))


def _keep_joined(names: Sequence[str]) -> Keep:
    def change(record: Record) -> Record:
        for name in names:
            record = record.with_node(name, joined=True)
        return record

    return Keep(change=change)


def evict_predecessor(distribution: Distribution, server: Node, node: Node, cluster: Cluster) -> PhaseRun:
    """If an earlier machine of this name was a member (its disk is gone now), take that member out before joining anew."""
    lost = cluster.record.node(node.name).joined and cluster.fact(node.name).get("kube.state") == "none"
    if lost:
        if node.is_control_plane:
            yield from guard(distribution, server, [node.name], cluster)
        yield from emptied(distribution, server, node.name, cluster)
        yield Each(
            title=f"forget the lost member {node.name}",
            scripts={server.name: distribution.evict(server, node.name, cluster)},
        )
    return cluster


def _founder(distribution: Distribution, cluster: Cluster) -> Node:
    """The node to start a new cluster on; refused when there was a cluster before, whose data would be lost."""
    members = [node.name for node in cluster.control_plane if cluster.record.node(node.name).joined]
    broken = [name for name in members if cluster.fact(name).get("kube.state") == "broken"]
    if members:
        raise KubernetesError(
            "kubernetes/control-plane-lost",
            f"no control-plane node of {cluster.spec.name} is a working member any more",
            detail="\n".join(f"{name}: {'broken' if name in broken else 'its data is gone'}" for name in members),
            hint=f"sloth ssh {members[0]} -- journalctl -u {distribution.kubelet_unit('control-plane')} -n 50",
        )
    return cluster.control_plane[0]


def _member_facts(cluster: Cluster, server: Node) -> dict[str, Facts]:
    fact = cluster.fact(server.name)
    return {**cluster.facts, server.name: Facts(values={**fact.values, "kube.state": "joined"}, asked_at=fact.asked_at)}
