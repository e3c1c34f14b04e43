"""What `describe` says of what makes pods: Deployments, StatefulSets, DaemonSets, ReplicaSets and Jobs."""

from __future__ import annotations

from datetime import datetime

from sloth.kube.api import Api
from sloth.kube.kstatus import health
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.listing import listed, selector_text
from sloth.kube.workloads.prose import Prose
from sloth.kube.workloads.revisions import ROLLING, history

_COUNTS = (
    ("updatedReplicas", "new"), ("readyReplicas", "ready"), ("availableReplicas", "available"),
    ("updatedNumberScheduled", "new"), ("numberReady", "ready"), ("numberAvailable", "available"),
    ("active", "at work"), ("succeeded", "succeeded"), ("failed", "failed"),
)  # fmt: skip
_WANTED = {"DaemonSet": ("status", "desiredNumberScheduled"), "Job": ("spec", "completions")}


def workload(api: Api, item: Object, prose: Prose, now: datetime) -> Call[None]:
    """Pods by number, strategy, pod template, the revisions that are kept, and the pods that are not well, with why."""
    spec = item["spec"]
    strategy = spec.get("strategy") or spec.get("updateStrategy") or {}
    rolling = [f"{key}={value}" for key, value in (strategy.get("rollingUpdate") or {}).items()]
    prose.fields(
        [
            ("Pods", _counted(item)),
            ("Paused", spec.get("paused") or spec.get("suspend")),
            ("Strategy", " ".join([str(strategy.get("type", "")), *rolling])),
            ("Service", spec.get("serviceName")),
            ("Selector", selector_text(spec.get("selector") or {})),
        ]
    )
    rows: list[list[object]] = [["CONTAINER", "IMAGE", "REQUESTS", "LIMITS"]]
    inside = spec["template"]["spec"]
    for each in (*(inside.get("initContainers") or ()), *(inside.get("containers") or ())):
        resources = each.get("resources") or {}
        rows.append([each["name"], each.get("image", ""), resources.get("requests") or "", resources.get("limits") or ""])
    prose.table("Pod template", rows)
    if item["kind"] in ROLLING:
        yield from _revisions(api, item, prose)
    if spec.get("selector"):
        pods = yield from listed(api, "pods", item["metadata"]["namespace"], labels=selector_text(spec["selector"]))
        states = [(each["metadata"]["name"], health(each)) for each in pods]
        prose.table("Pods not ready", [["POD", "WHY"], *([name, state.why] for name, state in states if state.word != "Current")])


def _counted(item: Object) -> str:
    """`3 wanted: 3 new, 2 ready, 2 available`, by the counters that its kind has."""
    where, name = _WANTED.get(item["kind"], ("spec", "replicas"))
    wanted = (item.get(where) or {}).get(name)
    status = item.get("status") or {}
    counts = [f"{status[key]} {word}" for key, word in _COUNTS if status.get(key) is not None]
    return f"{1 if wanted is None else wanted} wanted: {', '.join(counts) or 'none made'}"


def _revisions(api: Api, item: Object, prose: Prose) -> Call[None]:
    rows: list[list[object]] = [["REVISION", "KEPT IN", "CHANGE-CAUSE"]]
    for each in (yield from history(api, item)):
        word = f"{each.number}{' (current)' if each.current else ''}"
        rows.append([word, f"{each.kept_in['kind']} {each.kept_in['metadata']['name']}", each.cause])
    prose.table("Revisions", rows)
