"""Phase: other passwords for joining, where every node keeps them; the record has them before a node takes them.

Servers take them one after the other, under the quorum guard. Every node must answer: one that starts later with an old one is
not let in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import RotatesTokens
from sloth.model.cluster import Cluster
from sloth.model.join_tokens import JoinTokens, parse
from sloth.model.phase import Each, Keep, PhaseRun
from sloth.model.secret import Secret
from sloth.phases.certs import refuse_absent, refuse_rotating, refuse_silent
from sloth.phases.quorum import guard_restart, other_server

GO_ON = "sloth certs rotate --join-tokens"
_SILENT = "a node that starts later with an old token is not let in"


@dataclass(frozen=True)
class RotateTokens:
    """From where the record says that an earlier run ended, or from the start. Nothing where a distribution keeps no tokens."""

    distribution: Distribution
    make_seed: Callable[[], Secret]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False)
    title: str = "Rotate join tokens"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises KubernetesError while a node is away or not well."""
        able = self.distribution
        if not isinstance(able, RotatesTokens):
            return cluster
        refuse_rotating(cluster, "join tokens are not rotated")
        refuse_absent(cluster, "join tokens are not rotated")
        refuse_silent(cluster, "join tokens are not rotated", detail=_SILENT, then=GO_ON)
        tokens = parse(cluster.record.join_tokens)
        if tokens is None:
            tokens = JoinTokens(id=f"{self.now():%Y%m%dT%H%M%SZ}", agent=self.make_seed())
            cluster = replace(cluster, record=(yield _keep(tokens)))
        first, *others = cluster.control_plane
        if tokens.server is None:
            yield from guard_restart(self.distribution, cluster, other_server(first, cluster), first, then=GO_ON)
            made = yield Each(title=f"new tokens on {first.name}", scripts={first.name: able.new_tokens(first, cluster, tokens)})
            tokens = replace(tokens, server=made[first.name])
            cluster = replace(cluster, record=(yield _keep(tokens)))
        for node in others:
            yield from guard_restart(self.distribution, cluster, other_server(node, cluster), node, then=GO_ON)
            yield Each(title=f"new tokens on {node.name}", scripts={node.name: able.take_tokens(node, cluster, tokens)})
        scripts = {node.name: able.take_tokens(node, cluster, tokens) for node in cluster.workers}
        yield Each(title="new tokens on workers", scripts=scripts)
        changed = cluster.changed | {node.name for node in cluster.nodes}
        return replace(cluster, record=(yield _keep(None)), changed=changed)


def _keep(tokens: JoinTokens | None) -> Keep:
    kept = tokens.dump() if tokens else None
    return Keep(change=lambda record: replace(record, join_tokens=kept))
