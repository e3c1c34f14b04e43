"""The revisions of a workload: ReplicaSets of a Deployment, ControllerRevisions of a StatefulSet or DaemonSet.

Annotations and labels: kubernetes.io, "Well-Known Labels, Annotations and Taints"; who keeps what where:
"Deployments" (rolling back) and "Perform a Rollback on a DaemonSet" (understanding DaemonSet revisions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sloth.errors import UsageError
from sloth.kube.api import Api
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.listing import controller, listed, selector_text

NUMBER = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
HASH = "pod-template-hash"
ROLLING = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: its number, why it was made (if its maker said so), its pod template, and the object that keeps it."""

    number: int
    cause: str
    template: Object
    kept_in: Object
    current: bool = False


def workload(api: Api, kind: str | Resource, name: str, namespace: str | None = None) -> Call[tuple[Resource, Object]]:
    """The kind and the object. Raises UsageError if the kind has no rollouts, ApiError."""
    resource = yield from api.kinds.find(kind)
    if resource.group != "apps" or resource.kind not in ROLLING:
        raise UsageError(
            "kube/no-rollout",
            f"a {resource.kind} has no rollouts",
            detail=f"what has: {', '.join(ROLLING)}",
            hint="sloth kube rollout status deploy/NAME",
        )
    return resource, (yield from api.get(resource, name, namespace))


def history(api: Api, item: Object) -> Call[list[Revision]]:
    """The revisions of a Deployment, StatefulSet or DaemonSet that the cluster still keeps, oldest first. Raises ApiError."""
    meta, spec = item["metadata"], item["spec"]
    kind = "replicasets" if item["kind"] == "Deployment" else "controllerrevisions"
    kept = yield from listed(api, kind, meta["namespace"], labels=selector_text(spec["selector"]))
    ours = [each for each in kept if (controller(each) or {}).get("uid") == meta["uid"]]
    found = [_of_replica_set(each, item) if kind == "replicasets" else _of_controller(each, item) for each in ours]
    found.sort(key=lambda each: each.number)
    if found and item["kind"] == "DaemonSet":  # which is the current one is said nowhere: the latest
        found[-1] = Revision(found[-1].number, found[-1].cause, found[-1].template, found[-1].kept_in, current=True)
    return found


def _of_replica_set(each: Object, item: Object) -> Revision:
    notes = each["metadata"].get("annotations") or {}
    number = int(notes.get(NUMBER) or 0)
    now = (item["metadata"].get("annotations") or {}).get(NUMBER) == str(number)
    return Revision(number, str(notes.get(CAUSE, "")), _unhashed(each["spec"]["template"]), each, now)


def _unhashed(template: Object) -> Object:
    """Without the label that a Deployment's controller adds."""
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def _of_controller(each: Object, item: Object) -> Revision:
    meta = each["metadata"]
    template: dict[str, Any] = ((each.get("data") or {}).get("spec") or {}).get("template") or {}
    bare = {key: value for key, value in template.items() if not key.startswith("$")}
    now = (item.get("status") or {}).get("updateRevision") == meta["name"]
    return Revision(int(each.get("revision") or 0), str((meta.get("annotations") or {}).get(CAUSE, "")), bare, each, now)


def chosen(found: list[Revision], number: int, name: str) -> Revision:
    """The revision of that number; 0 is the one before the latest. Raises UsageError."""
    if number == 0:
        if len(found) < 2:
            raise _none(name, "there is no revision before the current one", found)
        return found[-2]
    for each in found:
        if each.number == number:
            return each
    raise _none(name, f"there is no revision {number}", found)


def _none(name: str, why: str, found: list[Revision]) -> UsageError:
    kept = ", ".join(str(each.number) for each in found) or "none"
    return UsageError(
        "kube/no-revision", f"{name}: {why}", detail=f"revisions that are kept: {kept}", hint=f"sloth kube rollout history {name}"
    )
