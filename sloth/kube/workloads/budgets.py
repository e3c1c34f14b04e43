"""What keeps pods on a node: the disruption budgets that take them, and whose pods they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sloth.kube.api import Api
from sloth.kube.resource import key_of
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.listing import controller, listed, looked_up, selects


def held(api: Api, pods: Sequence[Object], said: Mapping[str, str]) -> Call[list[str]]:
    """One line a pod: it, its owner, and each budget that allows no more disruptions, else what the server said (by uid)."""
    budgets: dict[str, list[Object]] = {}
    for place in sorted({pod["metadata"]["namespace"] for pod in pods}):
        budgets[place] = yield from listed(api, "poddisruptionbudgets", place)
    lines = []
    owners = yield from owners_of(api, pods)
    for pod in pods:
        meta = pod["metadata"]
        blocking = [_described(each) for each in budgets[meta["namespace"]] if _blocks(each, meta.get("labels") or {})]
        refusal = said.get(meta["uid"], "")
        why = ("; ".join(blocking) or refusal) if refusal else _ending(pod)
        lines.append(f"{key_of(pod)} ({owners[meta['uid']]}): {why}")
    return lines


def _blocks(budget: Object, labels: Object) -> bool:
    allowed = (budget.get("status") or {}).get("disruptionsAllowed") or 0
    return allowed < 1 and selects(budget["spec"].get("selector"), labels)


def _described(budget: Object) -> str:
    status = budget.get("status") or {}
    have, need = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
    return f"budget {key_of(budget)} lets none go: {have} healthy, {need} needed"


def _ending(pod: Object) -> str:
    meta = pod["metadata"]
    if meta.get("finalizers"):
        return f"held by finalizers: {', '.join(meta['finalizers'])}"
    if meta.get("deletionTimestamp"):
        return f"asked to end, and has {meta.get('deletionGracePeriodSeconds', 0)} s for it; does its kubelet answer?"
    return "it is still there"


def owners_of(api: Api, pods: Sequence[Object]) -> Call[dict[str, str]]:
    """By the pod's uid, whose it is in words: `Deployment shop/web`, through the ReplicaSet between them."""
    sets = sorted({(p["metadata"]["namespace"], o["name"]) for p in pods if (o := controller(p)) and o["kind"] == "ReplicaSet"})
    resource = yield from api.kinds.find("replicasets")
    items = yield from looked_up((resource, place, name) for place, name in sets)
    above = {key: controller(item) for key, item in zip(sets, items, strict=True) if item}
    found = {}
    for pod in pods:
        place, owner = pod["metadata"]["namespace"], controller(pod)
        if owner and owner["kind"] == "ReplicaSet":
            owner = above.get((place, owner["name"])) or owner
        found[pod["metadata"]["uid"]] = f"{owner['kind']} {place}/{owner['name']}" if owner else "of nobody"
    return found
