"""How far a rollout is, from the object alone, and following it to its end.

What counts as done: kubernetes.io, "Deployments" (complete, failed), "StatefulSets" (update strategies, partitions),
"Perform a Rolling Update on a DaemonSet".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sloth.errors import KubernetesError, UsageError
from sloth.kube.api import Api
from sloth.kube.kstatus import conditions, health
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Object, Pause
from sloth.kube.workloads.listing import listed, selector_text
from sloth.kube.workloads.revisions import workload

EVERY = 1.0  # seconds between two looks
_SHOWN = 10  # pods in a failure
Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """`done`, or what it waits for; `failed`: it will not come to its end by itself."""

    done: bool
    text: str
    failed: bool = False


def progress(item: Item) -> Progress:
    """Of a Deployment, StatefulSet or DaemonSet. Raises UsageError where the strategy leaves updates to whoever deletes pods."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    strategy = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate")
    if item.get("kind") != "Deployment" and strategy != "RollingUpdate":
        raise UsageError(
            "kube/on-delete",
            f"{item['metadata']['name']} has the strategy {strategy}: its pods change when somebody deletes them",
            hint="sloth kube delete pods --selector …",
        )
    if (status.get("observedGeneration") or 0) < (item["metadata"].get("generation") or 0):
        return Progress(False, "its controller has not seen the last change")
    return _RULES[str(item["kind"])](spec, status, item)


def _deployment(spec: Item, status: Item, item: Item) -> Progress:
    found = conditions(item).get("Progressing") or {}
    if found.get("reason") == "ProgressDeadlineExceeded":
        return Progress(False, f"past its deadline: {found.get('message', '')}", failed=True)
    wanted, have = _number(spec, "replicas", 1), _number(status, "replicas")
    updated, available = _number(status, "updatedReplicas"), _number(status, "availableReplicas")
    if updated < wanted:
        return Progress(False, f"{updated} of {wanted} new replicas have been made")
    if have > updated:
        return Progress(False, f"{have - updated} old replicas are still going")
    if available < updated:
        return Progress(False, f"{available} of {updated} new replicas are available")
    return Progress(True, "rolled out")


def _stateful_set(spec: Item, status: Item, item: Item) -> Progress:
    wanted, ready = _number(spec, "replicas", 1), _number(status, "readyReplicas")
    if ready < wanted:
        return Progress(False, f"{ready} of {wanted} replicas are ready")
    partition = _number((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}, "partition")
    updated = _number(status, "updatedReplicas")
    if partition:
        if updated < wanted - partition:
            return Progress(False, f"{updated} of {wanted - partition} replicas above the partition are new")
        return Progress(True, f"rolled out as far as its partition lets it: {updated} new replicas")
    if status.get("updateRevision") != status.get("currentRevision"):
        return Progress(False, f"{updated} of {wanted} replicas are new")
    return Progress(True, "rolled out")


def _daemon_set(spec: Item, status: Item, item: Item) -> Progress:
    wanted = _number(status, "desiredNumberScheduled")
    updated, available = _number(status, "updatedNumberScheduled"), _number(status, "numberAvailable")
    if updated < wanted:
        return Progress(False, f"{updated} of {wanted} nodes have a new pod")
    if available < wanted:
        return Progress(False, f"{available} of {wanted} new pods are available")
    return Progress(True, "rolled out")


_RULES: dict[str, Callable[[Item, Item, Item], Progress]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
}


def _number(where: Item, name: str, default: int = 0) -> int:
    found = where.get(name)
    return default if found is None else int(found)


def follow(
    api: Api, kind: str | Resource, name: str, namespace: str | None = None, *, seconds: float = 0,
    say: Callable[[str], None] = lambda text: None, every: float = EVERY,
) -> Call[Progress]:  # fmt: skip
    """Look until the rollout is done, or for `seconds` of pauses (0: look once); `say` gets each new state.

    Raises KubernetesError (past its deadline, or not done in time) with the pods that are not ready, UsageError, ApiError.
    """
    resource, item = yield from workload(api, kind, name, namespace)
    left, last = seconds, ""
    while True:
        state = progress(item)
        if state.done or not (seconds or state.failed):
            return state
        if state.failed or left <= 0:
            raise (yield from _failure(api, item, state, seconds))
        if state.text != last:
            say(f"{resource.singular or resource.plural}/{name}: {state.text}")
            last = state.text
        yield Pause(every)
        left -= every
        item = yield from api.get(resource, name, namespace)


def _failure(api: Api, item: Object, state: Progress, seconds: float) -> Call[KubernetesError]:
    meta = item["metadata"]
    pods = yield from listed(api, "pods", meta["namespace"], labels=selector_text(item["spec"]["selector"]))
    states = [(pod["metadata"]["name"], health(pod)) for pod in pods]
    lines = [f"pod {name}: {found.why}" for name, found in states if found.word != "Current"]
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    word = f"{item['kind'].lower()}/{meta['name']}"
    return KubernetesError(
        "kube/rollout-failed" if state.failed else "kube/rollout-slow",
        f"{word} is {state.text}" if state.failed else f"{word} is not rolled out after {seconds:g} s: {state.text}",
        detail="\n".join([*lines[:_SHOWN], *more]),
        hint=f"sloth kube describe {word} --namespace {meta['namespace']}",
    )
