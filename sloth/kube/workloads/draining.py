"""Cordon, uncordon and drain, through the Eviction API: disruption budgets are the server's to keep, ours to wait for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sloth.errors import KubernetesError, UsageError
from sloth.kube.api import Api
from sloth.kube.resource import key_of
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.budgets import budgets_of, to_delete
from sloth.kube.workloads.evictions import Evictions, Rules, Say
from sloth.kube.workloads.listing import listed, looked_up
from sloth.kube.workloads.triage import Triage, daemon_sets, triage
from sloth.nodes.cordon import HELD


def _silent(_text: str) -> None:
    """Nobody listens."""


def cordon(api: Api, node: str, *, on: bool = True, dry_run: bool = False) -> Call[bool]:
    """Let no new pods onto a node, or let them again: whether that changed anything. Raises ApiError.

    A node that is let go of loses the note that sloth was holding it for an upgrade or a reboot: nobody is to find it later.
    """
    item = yield from api.get("nodes", node)
    if bool((item.get("spec") or {}).get("unschedulable")) == on:
        return False
    change: Object = {"spec": {"unschedulable": True if on else None}}
    if not on and HELD in (item["metadata"].get("annotations") or {}):
        change["metadata"] = {"annotations": {HELD: None}}
    yield from api.patch("nodes", node, change, dry_run=dry_run)
    return True


def hold(api: Api, node: str, why: str) -> Call[bool]:
    """Cordon for a while, with a note that it was sloth and for what: whether that changed anything. Raises ApiError.

    A node that somebody else has cordoned gets no note: it stays cordoned afterwards.
    """
    item = yield from api.get("nodes", node)
    note = (item["metadata"].get("annotations") or {}).get(HELD, "")
    cordoned = bool((item.get("spec") or {}).get("unschedulable"))
    if cordoned and note in ("", why):
        return False
    yield from api.patch("nodes", node, {"metadata": {"annotations": {HELD: why}}, "spec": {"unschedulable": True}})
    return True


def look(api: Api, node: str, rules: Rules) -> Call[Triage]:
    """The pods of a node, sorted. Raises KubernetesError if some would be lost and nobody said that they may be, ApiError."""
    pods = yield from listed(api, "pods", "*", labels=rules.labels, fields=f"spec.nodeName={node}")
    resource = yield from api.kinds.find("daemonsets")
    owners = sorted(daemon_sets(pods))
    items = yield from looked_up((resource, place, name) for place, name, _ in owners)
    gone = {uid for (_, _, uid), item in zip(owners, items, strict=True) if not item or item["metadata"]["uid"] != uid}
    found = triage(pods, rules.allow, gone)
    if found.refused:
        empty_dirs = " --delete-emptydir-data" if rules.allow.empty_dirs else ""
        raise KubernetesError(
            "kube/would-be-lost",
            f"{len(found.refused)} pods of {node} would be lost: nothing was evicted",
            detail="\n".join(f"{key_of(pod)}: {why}" for pod, why in found.refused),
            where=node,
            hint=f"sloth kube drain {node}{empty_dirs} --lose {key_of(found.refused[0][0])}",
        )
    return found


def drain_all(api: Api, nodes: Sequence[str], rules: Rules, say: Say = _silent) -> Call[list[tuple[str, Triage]]]:
    """Drain one node after the other. All are looked at and cordoned first, so that no pod moves to the next of them."""
    for node in nodes:
        yield from api.get("nodes", node)
        yield from look(api, node, rules)
    for node in nodes:
        if (yield from cordon(api, node, dry_run=rules.dry_run)):
            say(f"{node} is cordoned")
    done = []
    for node in nodes:
        done.append((node, (yield from drain(api, node, rules, say))))
    return done


def drain(api: Api, node: str, rules: Rules, say: Say = _silent, refused: Say | None = None) -> Call[Triage]:
    """Cordon a node, evict its pods and wait until they ended: what was evicted and what was left.

    `say` gets what happens; what the server refuses for now goes to `refused` instead, if that is given.

    Raises KubernetesError (pods would be lost; a pod has two budgets; not done in time, with the budgets in the way), UsageError
    (there is no such budget to give up), ApiError.
    """
    yield from api.get("nodes", node)
    yield from _known(api, rules.budgets)
    found = yield from look(api, node, rules)
    if (yield from cordon(api, node, dry_run=rules.dry_run)):
        say(f"{node} is cordoned")
        found = yield from look(api, node, rules)  # what came between the first look and the cordon
    for pod, why in found.left:
        say(f"left: {key_of(pod)}: {why}")
    evictions = Evictions(api, node, found.evict, rules, say=say, refused=refused or say)
    if rules.budgets:
        budgets = yield from budgets_of(api, found.evict)
        yield from evictions.delete(to_delete(found.evict, budgets, rules.budgets))
    yield from evictions.carry_out()
    return found


def _known(api: Api, wanted: Collection[str]) -> Call[None]:
    if not wanted:
        return
    names = [key_of(each) for each in (yield from listed(api, "poddisruptionbudgets", "*"))]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise UsageError(
            "usage/unknown-budget",
            f"there is no disruption budget {', '.join(missing)}",
            detail=f"budgets: {', '.join(names) or 'none'}",
            hint="sloth kube get pdb --all-namespaces",
        )
