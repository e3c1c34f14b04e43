"""The story of `sloth up --replace`: the named nodes leave as if the spec had dropped them; then `up` makes them anew.

So a replaced node is drained and evicted, its etcd member is removed, and its machine goes before another gets its name; nothing
of that is a special case of machines or engines.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sloth.errors import ConfigError, UsageError
from sloth.model.cluster import Cluster
from sloth.model.plan import Plan


def leaving(cluster: Cluster, names: Collection[str]) -> Cluster:
    """The cluster with a plan in which these nodes leave and nobody comes. Raises UsageError, ConfigError."""
    here = {lease.name: lease for lease in cluster.record.leases}
    unknown = [name for name in names if name not in here]
    if unknown:
        raise UsageError(
            "usage/unknown-node",
            f"{cluster.spec.name} has no node {', '.join(unknown)}",
            detail=f"its nodes: {', '.join(here) or 'none yet'}",
            hint="sloth nodes list",
        )
    if cluster.spec.protect:
        raise UsageError(
            "usage/protected",
            f"{cluster.spec.name} is protected: no node is replaced",
            detail="spec.protect is true",
            hint="set spec.protect to false in the spec, then sloth up --replace again",
        )
    stay = tuple(lease for lease in here.values() if lease.name not in names)
    if not any(lease.role == "control-plane" and cluster.record.node(lease.name).joined for lease in stay):
        raise ConfigError(
            "plan/control-plane-replaced",
            f"no control-plane node would stay while {', '.join(names)} is replaced, and the cluster's data would go with it",
            where="spec.pools",
            hint="raise the count of the control-plane pool to 3 and run sloth up first",
        )
    return replace(
        cluster,
        plan=Plan(leases=stay, keep=tuple(lease.name for lease in stay), remove=tuple(here[name] for name in names)),
    )
