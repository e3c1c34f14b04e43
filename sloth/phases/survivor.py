"""Phase: before one control-plane node goes on alone with its own data, the quorum guard's sum is told."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasEtcd
from sloth.errors import KubernetesError, SlothError
from sloth.etcd.members import Member, at
from sloth.etcd.quorum import alone, tally
from sloth.etcd.steps import look
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, Order, PhaseRun


@dataclass(frozen=True)
class CountSurvivor:
    """Only the node in question is asked: the others are lost, or there would be a majority. What cannot be read is told too."""

    distribution: Distribution
    name: str  # of the node
    tell: Callable[[str], None]
    title: str = "Quorum guard"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Changes nothing. Raises KubernetesError `backup/majority-there` where etcd can decide by itself."""
        if isinstance(self.distribution, HasEtcd):
            self.tell((yield from self._count(self.distribution, cluster)))
        return cluster

    def _count(self, distribution: HasEtcd, cluster: Cluster) -> Generator[Order, Any, str]:
        node = next((node for node in cluster.nodes if node.name == self.name), None)
        if node is None:
            return f"the members are unknown: the machine of {self.name} does not run yet"
        access = distribution.etcd_access()
        answers = yield Each(title="count etcd members", scripts={node.name: look(access, node, cluster)}, gather=True)
        members: list[Member] | Exception = answers[node.name]
        if isinstance(members, Exception):
            why = members.summary if isinstance(members, SlothError) else str(members)
            return f"the members are unknown: {why}"
        self._refuse_majority(members)
        own = at(members, [access.peer(node.mesh_address)])
        if own is None:
            known = ", ".join(each.label for each in members) or "nobody"
            return f"{self.name} is no member any more, so its data is of an earlier time; members: {known}"
        return alone(members, own)

    def _refuse_majority(self, members: list[Member]) -> None:
        now = tally(members)
        if members and now.decides:
            raise KubernetesError(
                "backup/majority-there",
                f"etcd has its majority: nothing was forced ({now})",
                detail="\n".join(f"{member.label}: {member.state}" for member in members),
                where=self.name,
                hint="sloth recover brings lost members back, or makes them anew",
            )
