"""What keeps pods on a node: the disruption budgets that take them, and whose pods they are.

Sources: the reference of policy/v1 PodDisruptionBudget, and kubernetes.io, "API-initiated Eviction".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sloth.kube.api import Api
from sloth.kube.resource import key_of
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.listing import controller, listed, looked_up, selects


@dataclass(frozen=True, slots=True)
class Held:
    """A pod that is still there: whose it is in words ("" if nobody's), the budgets that keep it, and what else does."""

    pod: Object
    owner: str
    budgets: tuple[Object, ...]
    why: str

    @property
    def line(self) -> str:
        """All of it, as evidence."""
        return f"{key_of(self.pod)} ({self.owner or 'of nobody'}): {'; '.join(map(_described, self.budgets)) or self.why}"


def held(api: Api, pods: Sequence[Object], said: Mapping[str, str]) -> Call[list[Held]]:
    """What keeps these pods. `said`: by uid, what the server answered to those that it does not evict now. Raises ApiError."""
    budgets = yield from budgets_of(api, pods)
    owners = yield from owners_of(api, pods)
    found = []
    for pod in pods:
        uid = pod["metadata"]["uid"]
        refusal = said.get(uid, "")
        blocking = tuple(each for each in budgets[uid] if not _allowed(each)) if refusal else ()
        found.append(Held(pod, owners[uid], blocking, refusal or _ending(pod)))
    return found


def budgets_of(api: Api, pods: Sequence[Object]) -> Call[dict[str, list[Object]]]:
    """By the pod's uid, the budgets that take it. Raises ApiError."""
    there: dict[str, list[Object]] = {}
    for place in sorted({pod["metadata"]["namespace"] for pod in pods}):
        there[place] = yield from listed(api, "poddisruptionbudgets", place)
    return {
        meta["uid"]: [
            each for each in there[meta["namespace"]] if selects(each["spec"].get("selector"), meta.get("labels") or {})
        ]
        for meta in (pod["metadata"] for pod in pods)
    }


def to_delete(pods: Sequence[Object], budgets: Mapping[str, Sequence[Object]], given_up: Collection[str]) -> list[Object]:
    """The pods that the server would not evict, and that only budgets of `given_up` (`namespace/name`) keep.

    A pod with more than one budget is never evicted, whatever they allow.
    """
    found = []
    for pod in pods:
        mine = budgets[pod["metadata"]["uid"]]
        keeping = [each for each in mine if not _allowed(each)] if len(mine) == 1 else mine
        if keeping and all(key_of(each) in given_up for each in keeping):
            found.append(pod)
    return found


def _allowed(budget: Object) -> int:
    """How many pods may go now."""
    return (budget.get("status") or {}).get("disruptionsAllowed") or 0


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
    """By the pod's uid, whose it is in words, or "": `Deployment shop/web`, through the ReplicaSet between. Raises ApiError."""
    sets = sorted({(p["metadata"]["namespace"], o["name"]) for p in pods if (o := controller(p)) and o["kind"] == "ReplicaSet"})
    resource = yield from api.kinds.find("replicasets")
    items = yield from looked_up((resource, place, name) for place, name in sets)
    above = {key: controller(item) for key, item in zip(sets, items, strict=True) if item}
    found = {}
    for pod in pods:
        place, owner = pod["metadata"]["namespace"], controller(pod)
        if owner and owner["kind"] == "ReplicaSet":
            owner = above.get((place, owner["name"])) or owner
        found[pod["metadata"]["uid"]] = f"{owner['kind']} {place}/{owner['name']}" if owner else ""
    return found
