"""Phase: find a control-plane node to work through, asking only control-plane nodes: for verbs about single nodes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import cast

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasKubectl
from sloth.errors import ConnectError, KubernetesError, UsageError, raise_all
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Ask, Result, Script
from sloth.phases.inspect import parse


@dataclass(frozen=True)
class FindServer:
    """Facts of control-plane nodes: those that do not answer have none, and one must be a member."""

    distribution: Distribution
    title: str = "Find a control-plane node"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One question to each control-plane node, side by side."""
        scripts = {node.name: self._ask() for node in cluster.control_plane}
        answers = yield Each(title=self.title, scripts=scripts, gather=True)
        raise_all("control-plane nodes", [x for x in answers.values() if isinstance(x, Exception) and not _silent(x)])
        seen = {name: answer for name, answer in answers.items() if isinstance(answer, Facts)}
        cluster = replace(cluster, facts={**cluster.facts, **seen})
        server_of(cluster)
        return cluster

    def _ask(self) -> Script[Facts]:
        result = cast(Result, (yield Ask(title="look at Kubernetes", run=self.distribution.probe())))
        return parse(result, 0.0)


def _silent(error: Exception) -> bool:
    return isinstance(error, ConnectError)


def server_of(cluster: Cluster, avoid: Collection[str] = ()) -> Node:
    """A working control-plane node, if possible none of `avoid`. Raises KubernetesError."""
    others = replace(cluster, nodes=tuple(node for node in cluster.nodes if node.name not in avoid))
    server = working_server(others) or working_server(cluster)
    if server is None:
        raise KubernetesError(
            "kubernetes/no-server",
            f"no control-plane node of {cluster.spec.name} answers",
            detail="\n".join(
                f"{node.name}: {cluster.fact(node.name).get('kube.state', 'silent')}" for node in cluster.control_plane
            ),
            hint="sloth status",
        )
    return server


def doors_to(cluster: Cluster) -> tuple[Node, ...]:
    """The control-plane nodes that are members, through which the API is reached. Raises KubernetesError if none runs."""
    servers = tuple(node for node in cluster.control_plane if cluster.record.node(node.name).joined)
    if not servers:
        raise KubernetesError(
            "kubernetes/no-server", f"no control-plane node of {cluster.spec.name} runs that is a member", hint="sloth status"
        )
    return servers


def kubectl_of(distribution: Distribution) -> str:
    """The administrator's kubectl. Raises UsageError for a distribution that has none."""
    if not isinstance(distribution, HasKubectl):
        raise UsageError(
            "usage/not-able",
            f"distribution {distribution.name} does not say how Kubernetes is asked on its nodes",
            hint="kubectl, with what `sloth kubeconfig` prints",
        )
    return distribution.kubectl()


def members(cluster: Cluster, names: Collection[str]) -> list[str]:
    """These names, in the order asked, each once. Raises UsageError for one that the record does not have."""
    have = [lease.name for lease in cluster.record.leases]
    strange = [name for name in names if name not in have]
    if strange:
        raise UsageError(
            "usage/unknown-node",
            f"{cluster.spec.name} has no node {', '.join(strange)}",
            detail=f"its nodes: {', '.join(have) or 'none yet'}",
            hint="sloth nodes list",
        )
    return list(dict.fromkeys(names))


def running(cluster: Cluster, names: Collection[str]) -> list[Node]:
    """Their nodes. Raises UsageError for one that is unknown or whose machine does not run."""
    nodes = {node.name: node for node in cluster.nodes}
    off = [name for name in members(cluster, names) if name not in nodes]
    if off:
        raise UsageError(
            "usage/not-running",
            f"{', '.join(off)}: there is no running machine",
            detail=f"running: {', '.join(nodes) or 'none'}",
            hint="sloth up starts machines that are off",
        )
    return [nodes[name] for name in dict.fromkeys(names)]


def working_server(cluster: Cluster) -> Node | None:
    """A control-plane node that stays and was seen to be a member, or None: if there is one, one whose etcd and API are ready."""
    members = [node for node in cluster.control_plane if cluster.fact(node.name).get("kube.state") == "joined"]
    return min(members, key=lambda node: _down(cluster, node), default=None)


def _down(cluster: Cluster, node: Node) -> int:
    fact = cluster.fact(node.name)
    return [fact.get("kube.etcd"), fact.get("kube.api")].count("down")
