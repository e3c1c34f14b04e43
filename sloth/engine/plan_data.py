"""A plan as data: what `sloth plan --output json` gives, what a plan file keeps, and what tables are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sloth.engine.rehearse import Planned, Rehearsal
from sloth.model.cluster import Cluster
from sloth.model.plan import SERVER, Action, MachineChange

# What is said of a node when several things happen to what it owns: the first of these.
_STRONGEST: tuple[Action, ...] = ("replace", "delete", "create", "import", "start", "update")


def plan_data(cluster: Cluster, rehearsal: Rehearsal, *, mesh: str, targets: Collection[str] = ()) -> dict[str, Any]:
    """The plan of a cluster whose flow was rehearsed. `mesh` = title of the phase that gives nodes their peers."""
    plan, steps = cluster.plan, rehearsal.changes
    machines = [change for change in rehearsal.machines if change.action != "keep"]
    born = {x.node for x in machines if x.kind == SERVER and x.action in ("create", "replace", "import")}
    new = [lease.name for lease in plan.leases if lease.name in plan.add or lease.name in born]
    gone = [lease.name for lease in plan.remove]
    return {
        "cluster": cluster.spec.name,
        "kubernetes": cluster.version,
        "targets": sorted(targets),
        "add": list(plan.add),
        "keep": list(plan.keep),
        "remove": gone,
        "leases": [
            {"node": x.name, "role": x.role, "provider": x.provider, "mesh": x.mesh_address, "pods": x.pod_cidr}
            for x in plan.leases
        ],
        "machines": [{**asdict(change), "cause": list(change.cause)} for change in machines],
        "mesh": {"new": new, "gone": gone, "peers": _peers(cluster, steps, mesh, new)},
        "objects": _objects(cluster, born),
        "steps": [{"phase": x.phase, "node": x.node, "title": x.title, "predicted": x.predicted} for x in steps],
        "summary": _summary(cluster, machines, steps),
    }


def _peers(cluster: Cluster, steps: Iterable[Planned], mesh: str, new: Collection[str]) -> list[str]:
    """Nodes that are there already and get or lose a peer, in plan order: steps come in no order."""
    busy = {step.node for step in steps if step.phase == mesh}
    return [lease.name for lease in cluster.plan.leases if lease.name in busy and lease.name not in new]


def _objects(cluster: Cluster, born: Collection[str]) -> list[dict[str, str]]:
    """Kubernetes objects that are known beforehand to come or go."""
    found = []
    for lease in cluster.plan.leases:
        if lease.name in cluster.plan.add or lease.name in born:
            taints = next((pool.taints for pool in cluster.spec.pools if pool.name == lease.pool), ())
            action = "create" if lease.name in cluster.plan.add else "replace"
            if action == "replace" and not cluster.record.node(lease.name).joined:
                action = "create"
            detail = f"{lease.role}{', taints ' + ', '.join(taints) if taints else ''}"
            found.append({"action": action, "kind": "Node", "name": lease.name, "detail": detail})
    going = [lease.name for lease in cluster.plan.remove]
    return [*found, *({"action": "delete", "kind": "Node", "name": name, "detail": "drained first"} for name in going)]


def _summary(cluster: Cluster, machines: Sequence[MachineChange], steps: Iterable[Planned]) -> dict[str, Any]:
    """How many nodes come, go, are replaced, are changed and stay; `resources` counts what belongs to no node."""
    plan = cluster.plan
    fate: dict[str, str] = {lease.name: "delete" for lease in plan.remove}
    for action in _STRONGEST:
        for change in machines:
            if change.node and change.action == action and (change.kind == SERVER or action == "update"):
                fate.setdefault(change.node, "change" if action == "update" else action)
    busy = {step.node for step in steps if step.node}
    for lease in plan.leases:
        fate.setdefault(lease.name, "change" if lease.name in busy else "unchanged")
    count = Counter(fate.values())
    words = ("create", "import", "start", "replace", "delete", "change", "unchanged")
    shared = Counter(change.action for change in machines if not change.node)
    return {**{word: count[word] for word in words}, "resources": dict(sorted(shared.items()))}


def changes(data: dict[str, Any]) -> bool:
    """Whether the plan would do anything at all."""
    return any(data[key] for key in ("add", "remove", "machines", "steps"))
