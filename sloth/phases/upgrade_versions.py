"""Phase of `up` while an upgrade is half done: every node gets what belongs to the version that it has, or joins with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloth.errors import ConfigError
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import PhaseRun, Say
from sloth.upgrade.versions import allows, join_version, minor_text, parse


@dataclass(frozen=True)
class Versions:
    """Skipped unless the record says that an upgrade is under way. Nobody is brought to another version here."""

    title: str = "Versions during an upgrade"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Members keep the version they run; new nodes get one that may run beside what is there."""
        if not cluster.record.upgrade:
            return cluster
        yield Say(text=f"an upgrade to {cluster.record.upgrade['to']} is under way: sloth upgrade apply --resume", warning=True)
        servers = [
            version
            for node in cluster.control_plane
            if cluster.fact(node.name).get("kube.state") == "joined"
            and (version := cluster.fact(node.name).get("kube.server") or cluster.fact(node.name).get("kube.version"))
        ]
        versions = {node.name: _version(node, cluster, servers) for node in cluster.nodes}
        other = {name: version for name, version in versions.items() if version != cluster.version}
        # Their machines' image holds what belongs to the other version.
        nodes = tuple(_unbaked(node) if node.name in other else node for node in cluster.nodes)
        return replace(cluster, nodes=nodes, versions=other)


def _version(node: Node, cluster: Cluster, servers: list[str]) -> str:
    fact = cluster.fact(node.name)
    has = fact.get("kube.version") if fact.get("kube.state") == "joined" else ""
    if not has and servers:
        has = join_version(node.role, servers)
    return has if has in (cluster.version, *cluster.deliveries) else cluster.version


def _unbaked(node: Node) -> Node:
    return replace(node, machine=replace(node.machine, profile=replace(node.machine.profile, baked=False)))


def refuse_other_version(cluster: Cluster) -> None:
    """Raise ConfigError when the spec asks for another version than the cluster has: `up` never upgrades."""
    record, asked = cluster.record, cluster.spec.kubernetes.version
    runs = record.kubernetes_version
    if not record.founded or allows(asked, runs) or allows(asked, str(record.upgrade.get("to", ""))):
        return
    raised = parse(f"{asked}.0" if asked.count(".") == 1 else asked) > parse(runs)
    hint = "sloth upgrade plan" if raised else f'set spec.kubernetes.version to "{minor_text(runs)}": there is no way back'
    raise ConfigError(
        "upgrade/spec-version",
        f"the spec asks for Kubernetes {asked}, {cluster.spec.name} runs {runs}, and sloth up changes no version: nothing done",
        where="spec.kubernetes.version",
        hint=hint,
    )
