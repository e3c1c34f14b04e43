"""Phase: refuse what cannot go well, save a snapshot of etcd, and note in the record that an upgrade is under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import BringsComponents, HasEtcd
from sloth.errors import KubernetesError
from sloth.etcd.access import EtcdAccess
from sloth.etcd.steps import snapshot
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, Keep, PhaseRun, Say
from sloth.model.step import Result, Script
from sloth.phases.certs import refuse_half_tokens, refuse_rotating
from sloth.phases.quorum import guard_restart
from sloth.phases.upgrade_look import crowded, names, seen, server_of, silent
from sloth.upgrade.checks import findings
from sloth.upgrade.finding import Finding

RESUME = "sloth upgrade apply --resume"


@dataclass(frozen=True)
class Begin:
    """`cluster.version` is the target. The snapshot is saved before the first change, and only then."""

    distribution: Distribution
    now: Callable[[], float] = field(default=time.time, repr=False)
    title: str = "Check before the upgrade"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises KubernetesError `upgrade/blocked` with everything that stands in the way."""
        refuse_rotating(cluster, "no upgrade is begun")
        refuse_half_tokens(cluster, "no upgrade is begun")
        found = check(self.distribution, cluster, self.now())
        refuse([each for each in found if each.level == "blocks"], cluster.version)
        for each in found:
            yield Say(text=each.text, warning=each.level == "warns" and each.check != "snapshot")
        if cluster.record.upgrade:
            return cluster
        server = server_of(cluster)
        if isinstance(self.distribution, HasEtcd):
            yield from guard_restart(self.distribution, cluster, server, None, then=RESUME)
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


def check(distribution: Distribution, cluster: Cluster, now: float) -> list[Finding]:
    """Findings of the look at this cluster, whose `version` is the target."""
    brings = distribution.components if isinstance(distribution, BringsComponents) else lambda _: {}
    found = findings(
        seen(cluster),
        names=names(cluster),
        silent=silent(cluster),
        running=cluster.record.kubernetes_version,
        target=cluster.version,
        now=now,
        unit=distribution.kubelet_unit("control-plane"),
        components=brings(cluster.record.kubernetes_version),
        after=brings(cluster.version),
    )
    return [*found, *crowded(cluster)]


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


def _snapshot(access: EtcdAccess, server: Node) -> Script[str]:
    return cast(Result, (yield snapshot(access, server.mesh_address, "before-upgrade"))).out
