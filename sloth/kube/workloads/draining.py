"""Cordon, uncordon and drain, through the Eviction API: disruption budgets are the server's to keep, ours to wait for.

Answers of the Eviction API: kubernetes.io, "API-initiated Eviction" (429: a budget allows none to go now; 500: the pod has more
than one budget).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sloth.errors import KubernetesError
from sloth.kube.api import Api
from sloth.kube.decode import dumps
from sloth.kube.faults import fault
from sloth.kube.resource import key_of
from sloth.kube.wire import JSON, Answer, Call, Object, Pause, Request, ask_all
from sloth.kube.workloads.budgets import held
from sloth.kube.workloads.listing import listed, looked_up
from sloth.kube.workloads.triage import Allow, Triage, daemon_sets, triage
from sloth.nodes.cordon import HELD


@dataclass(frozen=True, slots=True)
class Rules:
    """How to drain. `seconds` bounds the pauses, `grace` overrules the pods' own seconds to end, `labels` selects pods.

    `every` is the pause between two looks, `again` the one before a refused eviction is asked for again.
    """

    allow: Allow = field(default_factory=Allow)
    seconds: float = 300.0
    grace: int | None = None
    labels: str = ""
    dry_run: bool = False
    every: float = 1.0
    again: float = 5.0


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


def look(api: Api, node: str, rules: Rules) -> Call[Triage]:
    """The pods of a node, sorted. Raises KubernetesError if some would be lost and nobody said that they may be, ApiError."""
    pods = yield from listed(api, "pods", "*", labels=rules.labels, fields=f"spec.nodeName={node}")
    resource = yield from api.kinds.find("daemonsets")
    owners = sorted(daemon_sets(pods))
    items = yield from looked_up((resource, place, name) for place, name, _ in owners)
    gone = {uid for (_, _, uid), item in zip(owners, items, strict=True) if not item or item["metadata"]["uid"] != uid}
    found = triage(pods, rules.allow, gone)
    if found.refused:
        first = key_of(found.refused[0][0])
        raise KubernetesError(
            "kube/would-be-lost",
            f"{len(found.refused)} pods of {node} would be lost: nothing was evicted",
            detail="\n".join(f"{key_of(pod)}: {why}" for pod, why in found.refused),
            hint=f"sloth kube drain {node} --lose {first}",
        )
    return found


def drain_all(
    api: Api, nodes: Sequence[str], rules: Rules, say: Callable[[str], None] = lambda text: None
) -> Call[list[tuple[str, Triage]]]:
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


def drain(api: Api, node: str, rules: Rules, say: Callable[[str], None] = lambda text: None) -> Call[Triage]:
    """Cordon a node, evict its pods and wait until they ended: what was evicted and what was left.

    Raises KubernetesError (pods would be lost; a pod has two budgets; not done in time, with the budgets in the way), ApiError.
    """
    yield from api.get("nodes", node)
    found = yield from look(api, node, rules)
    if (yield from cordon(api, node, dry_run=rules.dry_run)):
        say(f"{node} is cordoned")
        found = yield from look(api, node, rules)  # what came between the first look and the cordon
    for pod, why in found.left:
        say(f"left: {key_of(pod)}: {why}")
    if rules.dry_run:
        yield from _Evictions(api, found.evict, rules, say).ask(found.evict)
    else:
        yield from _Evictions(api, found.evict, rules, say).carry_out(node)
    return found


class _Evictions:
    """The pods on their way, and what the server said to those that it refuses."""

    def __init__(self, api: Api, pods: Sequence[Object], rules: Rules, say: Callable[[str], None]) -> None:
        self._api, self._rules, self._say = api, rules, say
        self._left = {pod["metadata"]["uid"]: pod for pod in pods}
        self._waiting = dict(self._left)  # not yet accepted
        self._said: dict[str, str] = {}

    def carry_out(self, node: str) -> Call[None]:
        spent, asked_at = 0.0, -self._rules.again
        while self._left:
            if self._waiting and spent - asked_at >= self._rules.again:
                asked_at = spent
                yield from self.ask(list(self._waiting.values()))
            pods = yield from listed(self._api, "pods", "*", fields=f"spec.nodeName={node}")
            there = {pod["metadata"]["uid"]: pod for pod in pods}
            for uid in [uid for uid in self._left if uid not in there]:
                self._say(f"gone: {key_of(self._left.pop(uid))}")
                self._waiting.pop(uid, None)
            if not self._left:
                return
            if spent >= self._rules.seconds:
                raise (yield from self._late(node, [there[uid] for uid in self._left]))
            yield Pause(self._rules.every)
            spent += self._rules.every

    def ask(self, pods: Sequence[Object]) -> Call[None]:
        """Ask for the eviction of these, side by side."""
        requests = [self._request(pod) for pod in pods]
        answers = yield from ask_all(requests)
        for pod, request, answer in zip(pods, requests, answers, strict=True):
            self._take(pod, request, answer)

    def _request(self, pod: Object) -> Request:
        meta = pod["metadata"]
        options = {
            # Of that very pod: a StatefulSet has made one of the same name somewhere else meanwhile.
            "preconditions": {"uid": meta["uid"]},
            **({} if self._rules.grace is None else {"gracePeriodSeconds": self._rules.grace}),
            **({"dryRun": ["All"]} if self._rules.dry_run else {}),
        }
        about = {"name": meta["name"], "namespace": meta["namespace"]}
        body = dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about, "deleteOptions": options})
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction"
        return Request("POST", path, (), {"Content-Type": JSON}, body, f"evict pod {key_of(pod)}")

    def _take(self, pod: Object, request: Request, answer: Answer) -> None:
        uid = pod["metadata"]["uid"]
        if answer.status < 400 or answer.status in (404, 409):  # gone meanwhile, or another one has its name
            self._waiting.pop(uid, None)
            self._said.pop(uid, None)
            return
        error = fault(answer, request)
        if answer.status == 500 and "more than one PodDisruptionBudget" in error.detail:
            raise KubernetesError(
                "kube/two-budgets",
                f"pod {key_of(pod)} has more than one disruption budget: the server evicts no such pod",
                detail=error.detail,
                hint=f"sloth kube get pdb --namespace {pod['metadata']['namespace']}",
            ) from error
        if answer.status != 429:
            raise error
        message = error.causes[0].message if error.causes else error.detail
        if uid not in self._said:
            self._say(f"refused for now: {key_of(pod)}: {message}")
        self._said[uid] = message

    def _late(self, node: str, pods: Sequence[Object]) -> Call[KubernetesError]:
        lines = yield from held(self._api, pods, self._said)
        return KubernetesError(
            "kube/drain-slow",
            f"{node} is cordoned, but {len(pods)} pods are still on it after {self._rules.seconds:g} s",
            detail="\n".join(lines),
            hint="sloth kube get pdb --all-namespaces",
        )
