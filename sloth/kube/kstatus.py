"""Whether an object has become what its spec says, from the object alone.

Rules and their order: kubernetes-sigs/cli-utils, pkg/kstatus (README.md, status/core.go). A Job that has begun counts as
current there; here it is in progress until it completes, since who waits for a Job waits for its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Word = Literal["Current", "InProgress", "Failed", "Terminating"]


@dataclass(frozen=True, slots=True)
class Health:
    """The state and why. `word` Current: done; Failed: waiting is no use."""

    word: Word
    why: str = ""


CURRENT = Health("Current")
Item = Mapping[str, Any]


def health(item: Item) -> Health:
    """Deletion, generation and the standard conditions first, then the kind's own rules, then `Ready`."""
    meta, status = item.get("metadata") or {}, item.get("status") or {}
    if meta.get("deletionTimestamp"):
        return Health("Terminating", "it is being deleted")
    observed = status.get("observedGeneration")
    if observed is not None and observed != meta.get("generation"):
        return _busy("its controller has not seen the last change")
    found = conditions(item)
    if _is(found, "Reconciling"):
        return _busy(_said(found["Reconciling"]))
    if _is(found, "Stalled"):
        return Health("Failed", _said(found["Stalled"]))
    group = str(item.get("apiVersion", "")).rpartition("/")[0]
    rule = _RULES.get((group, str(item.get("kind", ""))))
    if rule:
        return rule(item, status, found)
    return CURRENT if "Ready" not in found or _is(found, "Ready") else _busy(_said(found["Ready"]))


def conditions(item: Item) -> dict[str, Item]:
    """An object's conditions by their type."""
    listed = (item.get("status") or {}).get("conditions") or ()
    return {str(each.get("type")): each for each in listed if isinstance(each, Mapping)}


def _is(found: Mapping[str, Item], name: str, value: str = "True") -> bool:
    return name in found and found[name].get("status") == value


def _said(condition: Item) -> str:
    return str(condition.get("message") or condition.get("reason") or condition.get("type", ""))


def _busy(why: str) -> Health:
    return Health("InProgress", why)


def _counted(wanted: int, status: Item, **names: str) -> Health | None:
    """The first counter of the status that is below what is wanted."""
    for name, word in names.items():
        have = status.get(name) or 0
        if have < wanted:
            return _busy(f"{have} of {wanted} {word}")
    return None


def _replicas(item: Item) -> int:
    found = (item.get("spec") or {}).get("replicas")
    return 1 if found is None else int(found)


def _deployment(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    if found.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded":
        return Health("Failed", _said(found["Progressing"]))
    wanted = _replicas(item)
    missing = _counted(wanted, status, replicas="made", updatedReplicas="updated")
    if missing:
        return missing
    if (status.get("replicas") or 0) > wanted:
        return _busy(f"{status['replicas'] - wanted} too many, still going")
    missing = _counted(wanted, status, availableReplicas="available", readyReplicas="ready")
    if missing:
        return missing
    return CURRENT if _is(found, "Available") else _busy("it is not available yet")


def _stateful_set(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    strategy = (item.get("spec") or {}).get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return CURRENT
    wanted = _replicas(item)
    missing = _counted(wanted, status, replicas="made", readyReplicas="ready")
    if missing:
        return missing
    if (status.get("replicas") or 0) > wanted:
        return _busy(f"{status['replicas'] - wanted} too many, still going")
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    missing = (
        _counted(wanted - partition, status, updatedReplicas="updated")
        if partition
        else _counted(wanted, status, currentReplicas="current")
    )
    if missing:
        return missing
    if not partition and status.get("currentRevision") != status.get("updateRevision"):
        return _busy("the update is not finished")
    return CURRENT


def _daemon_set(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    if "observedGeneration" not in status or "desiredNumberScheduled" not in status:
        return _busy("its controller has not seen it")
    names = {
        "currentNumberScheduled": "scheduled",
        "updatedNumberScheduled": "updated",
        "numberAvailable": "available",
        "numberReady": "ready",
    }
    return _counted(int(status["desiredNumberScheduled"]), status, **names) or CURRENT


def _replica_set(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    if _is(found, "ReplicaFailure"):
        return _busy(_said(found["ReplicaFailure"]))
    wanted = _replicas(item)
    missing = _counted(wanted, status, fullyLabeledReplicas="labelled", availableReplicas="available", readyReplicas="ready")
    if missing:
        return missing
    return _busy("some too many, still going") if (status.get("replicas") or 0) > wanted else CURRENT


def _pod(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    phase = status.get("phase")
    if phase == "Succeeded":
        return CURRENT
    if phase == "Failed":
        return Health("Failed", str(status.get("message") or status.get("reason") or "its containers ended with a failure"))
    if phase == "Running" and _is(found, "Ready"):
        return CURRENT
    waiting = [
        (each.get("state") or {}).get("waiting") or {}
        for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    ]
    if any(each.get("reason") == "CrashLoopBackOff" for each in waiting):
        return Health("Failed", "a container ends again and again (CrashLoopBackOff)")
    said = next((str(each.get("message") or each.get("reason")) for each in waiting if each), "")
    unscheduled = _said(found["PodScheduled"]) if _is(found, "PodScheduled", "False") else ""
    return _busy(unscheduled or said or f"its phase is {phase or 'unknown'}")


def _claim(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    return CURRENT if status.get("phase") == "Bound" else _busy("it is not bound to a volume")


def _job(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    if _is(found, "Failed"):
        return Health("Failed", _said(found["Failed"]))
    return (
        CURRENT
        if _is(found, "Complete")
        else _busy(f"{status.get('succeeded') or 0} pods done, {status.get('active') or 0} at work")
    )


def _service(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    if (item.get("spec") or {}).get("type") != "LoadBalancer":
        return CURRENT
    return CURRENT if (status.get("loadBalancer") or {}).get("ingress") else _busy("its load balancer has no address")


def _budget(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    return CURRENT if "observedGeneration" in status else _busy("its controller has not seen it")


def _definition(item: Item, status: Item, found: Mapping[str, Item]) -> Health:
    if _is(found, "NamesAccepted", "False"):
        return Health("Failed", _said(found["NamesAccepted"]))
    return CURRENT if _is(found, "Established") else _busy("the API server does not serve it yet")


_RULES: dict[tuple[str, str], Callable[[Item, Item, Mapping[str, Item]], Health]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("batch", "Job"): _job,
    ("", "Service"): _service,
    ("policy", "PodDisruptionBudget"): _budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
