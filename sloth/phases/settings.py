"""Phase: control planes that run take what the spec has come to ask of them, one after the other.

New members begin with it; what changed since is put on every node by `Prepare`, and in force here: after the joins, so that a
lost member is made anew before another one restarts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import Reconfigures
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.phase import Each, PhaseRun, Say
from sloth.model.step import Ask, Result, Script
from sloth.phases.inspect import parse
from sloth.phases.quorum import guard_restart, other_server


@dataclass(frozen=True)
class Settings:
    """Nothing where every control plane was seen to run with it. An upgrade under way brings it by itself."""

    distribution: Distribution
    title: str = "Control plane settings"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Before each, the quorum guard; one that does not come up with it ends the run, and the others are untouched."""
        able = self.distribution
        if not isinstance(able, Reconfigures) or cluster.record.upgrade:
            return cluster
        if cluster.record.authorities is not None:
            yield Say(text="a rotation of certificate authorities is under way: sloth certs rotate --ca", warning=True)
        # One that had no API server when it was looked at has started with what the spec asked for.
        ran = [node for node in cluster.control_plane if cluster.fact(node.name).get("kube.api")]
        # What this run has done there may have been enough.
        asks = {node.name: self._ask() for node in ran if node.name in cluster.changed}
        fresh: dict[str, Facts] = (yield Each(title="look at its settings", scripts=asks)) if asks else {}
        seen = {name: {**cluster.fact(name).values, **facts.values} for name, facts in fresh.items()}
        for node in ran:
            facts = Facts(values=seen.get(node.name, cluster.fact(node.name).values))
            if not able.settings_applied(facts, cluster):
                yield from guard_restart(able, cluster, other_server(node, cluster), node, then="sloth up")
                yield Each(title=f"configure {node.name}", scripts={node.name: able.apply_settings(node, cluster)})
                cluster = replace(cluster, changed=cluster.changed | {node.name})
        return cluster

    def _ask(self) -> Script[Facts]:
        result = cast(Result, (yield Ask(title="look at Kubernetes", run=self.distribution.probe())))
        return parse(result, 0.0)
