"""Phase: labels, taints and cluster services as the spec asks, and every node Ready: the gate at the end of `up`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sloth.contracts.distribution import Distribution
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Do, Script
from sloth.phases.server import working_server
from sloth.phases.stamp import digest, stamped

STAMP = "settle"


@dataclass(frozen=True)
class Settle:
    """Skipped when nothing changed in this run and the inspection saw every node Ready and settled as asked."""

    distribution: Distribution
    title: str = "Cluster services"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Run the distribution's settling on one control-plane node, then stamp it there."""
        server = working_server(cluster)
        if server and (cluster.changed or not settled(cluster, server)):
            yield Each(title=self.title, scripts={server.name: self._settle(server, cluster)})
        return cluster

    def _settle(self, server: Node, cluster: Cluster) -> Script[None]:
        yield from self.distribution.settle(server, cluster)
        yield stamped(STAMP, [wanted(cluster)], [])


def wanted(cluster: Cluster) -> Do:
    """A step that changes nothing but stands for everything that settling depends on: its digest is the stamp."""
    nodes = {node.name: [dict(node.labels), list(node.taints)] for node in cluster.nodes}
    return Do(title="settled", run=f": {digest_text(json.dumps([cluster.version, nodes], sort_keys=True))}")


def digest_text(text: str) -> str:
    """A short stable digest of a text."""
    return digest([Do(title="", run=text)])


def settled(cluster: Cluster, server: Node) -> bool:
    """Whether the inspection saw every node of the plan Ready, none beside them, and the stamp of this wish."""
    fact = cluster.fact(server.name)
    seen = dict(word.rpartition(":")[::2] for word in fact.get("kube.nodes").split())
    ready = set(seen) == {node.name for node in cluster.nodes} and set(seen.values()) == {"Ready"}
    return ready and fact.stamped(STAMP, digest([wanted(cluster)]))
