"""Phase: join all missing workers side by side."""

from __future__ import annotations

from dataclasses import dataclass

from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.errors import raise_all
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, PhaseRun
from sloth.phases.control_plane import evict_predecessor, joined, missing_members, remember_members
from sloth.phases.server import working_server


@dataclass(frozen=True)
class Workers:
    """All workers are members."""

    distribution: Distribution
    title: str = "Workers"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One join token, then every missing worker at once."""
        cluster = yield from remember_members(cluster, cluster.workers)
        missing = missing_members(cluster, cluster.workers)
        server = working_server(cluster)
        if not missing or server is None:
            return cluster
        for node in missing:
            cluster = yield from evict_predecessor(self.distribution, server, node, cluster)
        made = yield Each(
            title="make a join token",
            scripts={server.name: self.distribution.join_info(server, cluster)},
        )
        info: JoinInfo = made[server.name]
        answers = yield Each(
            title="join workers",
            scripts={node.name: self.distribution.join(node, cluster.at(node.name), info) for node in missing},
            gather=True,
        )
        failed = [answer for answer in answers.values() if isinstance(answer, Exception)]
        cluster = yield from joined(cluster, [node for node in missing if not isinstance(answers[node.name], Exception)])
        raise_all("workers did not join", failed)
        return cluster
