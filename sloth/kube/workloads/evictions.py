"""How a node is drained: the rules, its pods on their way, and what the server says to those that it refuses.

Answers of the Eviction API: kubernetes.io, "API-initiated Eviction" (429: a budget allows none to go now; 500: the pod has more
than one budget).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sloth.errors import KubernetesError
from sloth.kube.api import Api
from sloth.kube.decode import dumps
from sloth.kube.faults import fault
from sloth.kube.resource import key_of
from sloth.kube.wire import JSON, Answer, Call, Object, Pause, Request, ask_all
from sloth.kube.workloads.budgets import Held, held
from sloth.kube.workloads.listing import listed
from sloth.kube.workloads.triage import Allow

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rules:
    """How to drain. `seconds` bounds the pauses, `grace` overrules the pods' own seconds to end, `labels` selects pods.

    `every` is the pause between two looks, `again` the one before a refused eviction is asked for again. `budgets`, by
    `namespace/name`, are given up for this once: pods that only they keep are deleted. Of a node that is `dead` nobody confirms
    that its pods ended, so nobody waits for that. `command`, with the node behind it, is what a failure says to type.
    """

    allow: Allow = field(default_factory=Allow)
    seconds: float = 300.0
    grace: int | None = None
    labels: str = ""
    dry_run: bool = False
    every: float = 1.0
    again: float = 5.0
    budgets: Collection[str] = ()
    dead: bool = False
    command: str = "sloth kube drain"

    @property
    def ending(self) -> int | None:
        """Seconds that pods have to end; None for their own."""
        return 0 if self.dead and self.grace is None else self.grace


class Evictions:
    """The pods of one node that are to go."""

    def __init__(self, api: Api, node: str, pods: Sequence[Object], rules: Rules, *, say: Say, refused: Say) -> None:
        self._api, self._node, self._rules, self._say, self._refused = api, node, rules, say, refused
        self._left = {pod["metadata"]["uid"]: pod for pod in pods}
        self._waiting = dict(self._left)  # not yet accepted
        self._said: dict[str, str] = {}

    def carry_out(self) -> Call[None]:
        """Ask, and ask again, until all of them ended; in a dry run just ask. Raises KubernetesError, ApiError."""
        spent, asked_at = 0.0, -self._rules.again
        while self._left:
            if self._waiting and spent - asked_at >= self._rules.again:
                asked_at = spent
                yield from self._ask(list(self._waiting.values()))
            if self._rules.dry_run:
                return
            there = yield from self._there()
            if not self._left:
                return
            if spent >= self._rules.seconds:
                found = yield from held(self._api, [there[uid] for uid in self._left], self._said)
                raise self._late(found)
            yield Pause(self._rules.every)
            spent += self._rules.every

    def delete(self, pods: Sequence[Object]) -> Call[None]:
        """Delete these instead, which asks no budget. Raises ApiError."""
        about = {"apiVersion": "v1", "kind": "DeleteOptions"}
        requests = [self._request("DELETE", pod, "", {**about, **self._options(pod)}) for pod in pods]
        answers = yield from ask_all(requests)
        for pod, request, answer in zip(pods, requests, answers, strict=True):
            if answer.status >= 400 and answer.status not in (404, 409):
                raise fault(answer, request)
            self._say(f"deleted: {key_of(pod)}")
            self._waiting.pop(pod["metadata"]["uid"], None)

    def _there(self) -> Call[dict[str, Object]]:
        """The node's pods by uid, after those that ended are off the list."""
        pods = yield from listed(self._api, "pods", "*", fields=f"spec.nodeName={self._node}")
        there = {pod["metadata"]["uid"]: pod for pod in pods}
        for uid in [uid for uid in self._left if self._ended(there.get(uid))]:
            self._say(f"gone: {key_of(self._left.pop(uid))}")
            self._waiting.pop(uid, None)
        return there

    def _ended(self, pod: Object | None) -> bool:
        return pod is None or (self._rules.dead and "deletionTimestamp" in pod["metadata"])

    def _ask(self, pods: Sequence[Object]) -> Call[None]:
        """Ask for the eviction of these, side by side."""
        requests = [self._eviction(pod) for pod in pods]
        answers = yield from ask_all(requests)
        for pod, request, answer in zip(pods, requests, answers, strict=True):
            self._take(pod, request, answer)

    def _eviction(self, pod: Object) -> Request:
        meta = pod["metadata"]
        about = {"name": meta["name"], "namespace": meta["namespace"]}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about, "deleteOptions": self._options(pod)}
        return self._request("POST", pod, "/eviction", body)

    def _options(self, pod: Object) -> Object:
        rules = self._rules
        return {
            # Of that very pod: a StatefulSet has made one of the same name somewhere else meanwhile.
            "preconditions": {"uid": pod["metadata"]["uid"]},
            **({} if rules.ending is None else {"gracePeriodSeconds": rules.ending}),
            **({"dryRun": ["All"]} if rules.dry_run else {}),
        }

    def _request(self, method: str, pod: Object, tail: str, body: Object) -> Request:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}{tail}"
        what = f"{'evict' if tail else 'delete'} pod {key_of(pod)}"
        return Request(method, path, (), {"Content-Type": JSON}, dumps(body), what, twice=True)  # its uid makes that safe

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
                where=self._node,
                hint=f"sloth kube get pdb --namespace {pod['metadata']['namespace']}",
            ) from error
        ending = any(cause.reason == "NamespaceTerminating" for cause in error.causes)  # 403: its namespace deletes it anyhow
        if answer.status < 500 and answer.status != 429 and not ending:
            raise error  # of the others, some pass: an etcd without a leader, an API server that starts
        message = error.causes[0].message if error.causes else error.detail
        if uid not in self._said:
            self._refused(f"refused for now: {key_of(pod)}: {message}")
        self._said[uid] = message

    def _late(self, found: Sequence[Held]) -> KubernetesError:
        """Not done in time: because of budgets, or because pods do not end."""
        detail = "\n".join(each.line for each in found)
        budgets = list(dict.fromkeys(key_of(budget) for each in found for budget in each.budgets))
        if not budgets:
            return KubernetesError(
                "kube/drain-slow",
                f"{self._node} is cordoned, but {len(found)} pods are still on it after {self._rules.seconds:g} s",
                detail=detail,
                where=self._node,
                hint=f"sloth kube get pods --all-namespaces --field-selector spec.nodeName={self._node}",
            )
        mine = [each for each in found if budgets[0] in map(key_of, each.budgets)]
        owners = ", ".join(dict.fromkeys(each.owner or key_of(each.pod) for each in mine))
        more = f" (and {len(budgets) - 1} more budgets)" if len(budgets) > 1 else ""
        forced = " ".join(f"--force-budget {name}" for name in budgets)
        return KubernetesError(
            "node/drain-blocked",
            f"{self._node} cannot be drained: disruption budget {budgets[0]} lets no pod of {owners} go{more}; it stays cordoned",
            detail=detail,
            where=self._node,
            hint=f"run more replicas elsewhere, or give the budget up once: {self._rules.command} {self._node} {forced}",
        )
