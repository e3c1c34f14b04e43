"""Phase: ask Kubernetes on one control-plane node what runs where, before and after an upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasKubectl, Upgrades
from sloth.errors import KubernetesError, UsageError
from sloth.etcd.access import SNAPSHOTS
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Ask, Result, Script, Wait
from sloth.phases.prepare import STAMP
from sloth.phases.server import working_server
from sloth.phases.stamp import digest
from sloth.upgrade.batches import Pool, most
from sloth.upgrade.finding import Finding, warns
from sloth.upgrade.look import Seen, parse, question

ANSWER = "upgrade.look"  # fact of the control-plane node that was asked


@dataclass(frozen=True)
class Look:
    """One question, whatever the size of the cluster."""

    distribution: Distribution
    title: str = "Look at versions and workloads"

    def run(self, cluster: Cluster) -> PhaseRun:
        """The answer becomes a fact of the node that gave it; `seen` reads it."""
        server = server_of(cluster)
        answers = yield Each(title=self.title, scripts={server.name: ask(self.distribution, cluster)})
        fact = cluster.fact(server.name)
        told = Facts(values={**fact.values, ANSWER: answers[server.name]}, asked_at=fact.asked_at)
        return replace(cluster, facts={**cluster.facts, server.name: told})


def server_of(cluster: Cluster) -> Node:
    """A control-plane node that works. Raises KubernetesError."""
    server = working_server(cluster)
    if server is None:
        raise KubernetesError(
            "upgrade/no-server",
            f"no control-plane node of {cluster.spec.name} is a working member: there is nothing to upgrade",
            hint="sloth status",
        )
    return server


def ask(distribution: Distribution, cluster: Cluster) -> Script[str]:
    """The question; run it on a control-plane node. Returns the raw answer."""
    command = kubectl(distribution)
    addresses = [node.mesh_address for node in cluster.control_plane]
    results = yield [
        # A run that was cut off may have left an API server that is just starting.
        Wait(title="wait for the Kubernetes API", until=f"{command} get --raw /readyz >/dev/null 2>&1", hint="sloth status"),
        Ask(title="look at versions and workloads", run=question(command, addresses, SNAPSHOTS), timeout=120.0),
    ]
    return cast(list[Result], results)[1].out


def seen(cluster: Cluster) -> Seen:
    """What the phase `Look` brought back. Raises KubernetesError if Kubernetes did not answer to the end."""
    for node in cluster.control_plane:
        text = cluster.fact(node.name).get(ANSWER)
        if text:
            return read(text, node.name)
    raise KubernetesError("upgrade/no-answer", "Kubernetes was not asked", hint="sloth status")


def read(text: str, name: str) -> Seen:
    """The answer that node `name` gave. Raises KubernetesError."""
    try:
        return parse(text)
    except ValueError as error:
        raise KubernetesError(
            "upgrade/no-answer",
            f"{name} did not say what the cluster runs: {error}",
            detail=text[-800:],
            where=name,
            hint="sloth status",
        ) from None


def names(cluster: Cluster) -> Mapping[str, str]:
    """The record's nodes -> mesh address of a control-plane node, "" of a worker."""
    return {lease.name: lease.mesh_address if lease.role == "control-plane" else "" for lease in cluster.record.leases}


def pools(cluster: Cluster) -> Mapping[str, Pool]:
    """Worker -> its pool, with how many of it may be away at once, and who is away by itself or by somebody else's hand."""
    view = seen(cluster)
    found: dict[str, Pool] = {}
    for pool in cluster.spec.pools:
        mine = [lease.name for lease in cluster.record.leases if lease.pool == pool.name and lease.role == "worker"]
        away = tuple(name for name in mine if (node := view.nodes.get(name)) and node.away)
        limit = most(pool.max_unavailable, len(mine))
        found.update(dict.fromkeys(mine, Pool(name=pool.name, limit=limit, away=away)))
    return found


def crowded(cluster: Cluster) -> list[Finding]:
    """Pools of which as many nodes are away already as may be."""
    full = {pool.name: pool for pool in pools(cluster).values() if pool.away and len(pool.away) >= pool.limit}
    return [
        warns(
            "disruption",
            f"of pool {pool.name} {pool.limit} may be away at once, and {', '.join(pool.away)} "
            f"{'is' if len(pool.away) == 1 else 'are'} already: one at a time",
            "sloth status",
        )
        for pool in full.values()
    ]


def silent(cluster: Cluster) -> list[str]:
    """Nodes of the record whose machine does not run, or that did not answer, or are no members."""
    return [name for name in names(cluster) if cluster.fact(name).get("kube.state") != "joined"]


def done(node: Node, cluster: Cluster, distribution: Distribution) -> bool:
    """Whether the node has `cluster.version` wholly: prepared for it, running it, and taking pods."""
    view = seen(cluster)
    known = view.nodes.get(node.name)
    steps = list(distribution.prepare(node, cluster))
    return (
        known is not None
        and known.version == cluster.version
        and known.ready
        and not known.drained
        and (not node.is_control_plane or view.servers.get(node.mesh_address) == cluster.version)
        and cluster.fact(node.name).stamped(STAMP, digest(steps))
    )


def kubectl(distribution: Distribution) -> str:
    """How Kubernetes is asked on a control-plane node. Raises UsageError where the distribution does not say."""
    if isinstance(distribution, HasKubectl):
        return distribution.kubectl()
    raise unable(distribution)


def upgrades(distribution: Distribution) -> Upgrades:
    """The distribution's own part of an upgrade. Raises UsageError where it has none."""
    if isinstance(distribution, Upgrades):
        return distribution
    raise unable(distribution)


def unable(distribution: Distribution) -> UsageError:
    """The failure for a distribution that cannot be upgraded in place."""
    return UsageError(
        "upgrade/not-supported",
        f"distribution {distribution.name} cannot be upgraded by sloth",
        hint="sloth nodes replace, one node after the other",
    )
