"""Phase: make every host ready for Kubernetes; hosts whose stamp says so already are not touched."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Put, Script, Step, Upload
from sloth.phases.stamp import digest, stamped

STAMP = "prepare"


@dataclass(frozen=True)
class Prepare:
    """Runtime, binaries, images, kubelet unit and API balancer, all nodes side by side, one round trip each."""

    distribution: Distribution
    title: str = "Prepare hosts"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Run the distribution's preparation where its digest differs from the node's stamp."""
        scripts = {}
        for node in cluster.nodes:
            steps = list(self.distribution.prepare(node, cluster.at(node.name)))
            if not cluster.fact(node.name).stamped(STAMP, digest(steps)):
                scripts[node.name] = _once(stamped(STAMP, steps, managed_paths(steps)))
        yield Each(title=self.title, scripts=scripts)
        return replace(cluster, changed=cluster.changed | frozenset(scripts))


def _once(steps: list[Step]) -> Script[None]:
    yield steps


def managed_paths(steps: list[Step]) -> list[str]:
    """Files whose change on the node must be noticed."""
    return [step.path for step in steps if isinstance(step, (Put, Upload))]
