"""Phase: refuse what cannot go well, save a snapshot of etcd, and note in the record that an upgrade is under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasEtcd
from sloth.errors import KubernetesError
from sloth.etcd.members import Member, at
from sloth.etcd.quorum import pause, refusal, tally
from sloth.etcd.steps import ask_members, members_of, snapshot
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, Keep, PhaseRun, Say
from sloth.model.step import Result, Script
from sloth.phases.upgrade_look import names, seen, server_of, silent
from sloth.upgrade.checks import Finding, findings

RESUME = "sloth upgrade apply --resume"
_SPARE = 3  # voting members from which on one may be away without the others stopping


@dataclass(frozen=True)
class Begin:
    """`cluster.version` is the target. The snapshot is saved before the first change, and only then."""

    distribution: Distribution
    now: Callable[[], float] = field(default=time.time, repr=False)
    title: str = "Check before the upgrade"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises KubernetesError `upgrade/blocked` with everything that stands in the way."""
        found = check(cluster, self.now())
        refuse([each for each in found if each.level == "blocks"], cluster.version)
        for each in found:
            yield Say(text=each.text, warning=each.level == "warns" and each.check != "snapshot")
        if cluster.record.upgrade:
            return cluster
        server = server_of(cluster)
        if isinstance(self.distribution, HasEtcd):
            yield from guard(self.distribution, cluster, server, None)
            access = self.distribution.etcd_access()
            saved = yield Each(title="save a snapshot of etcd", scripts={server.name: _snapshot(access, server)})
            yield Say(text=f"snapshot of etcd: {server.name}:{saved[server.name]}")
        view = seen(cluster)
        wish = {
            "to": cluster.version,
            "from": cluster.record.kubernetes_version,
            "failing": len(view.failing),
            "workloads": len(view.workloads),
        }
        return replace(cluster, record=(yield Keep(change=lambda record: replace(record, upgrade=wish))))


def check(cluster: Cluster, now: float) -> list[Finding]:
    """Findings of the look at this cluster, whose `version` is the target."""
    return findings(
        seen(cluster),
        names=names(cluster),
        silent=silent(cluster),
        running=cluster.record.kubernetes_version,
        target=cluster.version,
        now=now,
    )


def refuse(found: Sequence[Finding], target: str) -> None:
    """Raise KubernetesError if anything blocks."""
    if found:
        raise KubernetesError(
            "upgrade/blocked",
            f"the upgrade to {target} was not begun: {found[0].text}"
            + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""),
            detail="\n".join(f"{each.check}: {each.text}\n  → {each.hint}" for each in found),
            hint="sloth upgrade plan, until it says that nothing stands in the way",
        )


def guard(distribution: Distribution, cluster: Cluster, server: Node, stopping: Node | None) -> Generator[Any, Any, None]:
    """Say the sum and refuse (`etcd/quorum`) unless etcd keeps its majority while `stopping` restarts; None = as it is now.

    Of one or two members none can be spared: then all must be healthy, and the API is away while one restarts. Data is never
    at stake: the member comes back with all it has.
    """
    if not isinstance(distribution, HasEtcd):
        return
    answers = yield Each(title="ask etcd for its members", scripts={server.name: _members(distribution, cluster, server)})
    members: list[Member] = answers[server.name]
    leaving = at(members, [distribution.etcd_access().peer(stopping.mesh_address)]) if stopping else None
    verdict = pause(members, [leaving] if leaving else [])
    name = stopping.name if stopping else server.name
    count = tally(members)
    if count.voting >= _SPARE and not verdict.allowed:
        raise refusal(
            verdict, [name], members, hint=f"bring the other control-plane nodes back first: sloth status; then {RESUME}"
        )
    others = [each for each in members if not each.learner and each is not leaving]
    if count.voting < _SPARE and not all(each.healthy for each in others):
        raise refusal(verdict, [name], members, hint=f"bring all of them back first: sloth status; then {RESUME}")
    if stopping:
        away = "" if count.voting >= _SPARE else f"; the API is away while {name} restarts, workloads go on"
        yield Say(text=f"etcd: {verdict.text if count.voting >= _SPARE else count}{away}")


def _members(distribution: HasEtcd, cluster: Cluster, server: Node) -> Script[list[Member]]:
    access = distribution.etcd_access()
    known = {node.mesh_address: node.name for node in cluster.control_plane}
    results = cast(list[Result], (yield list(ask_members(access, server.mesh_address, list(known)))))
    return members_of(results, access, known)


def _snapshot(access: Any, server: Node) -> Script[str]:
    return cast(Result, (yield snapshot(access, server.mesh_address, "before-upgrade"))).out
