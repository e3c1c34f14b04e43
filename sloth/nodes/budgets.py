"""Disruption budgets and the pods under them: which budget holds a drain up, and whose pods it protects.

Sources: the reference of policy/v1 PodDisruptionBudget (an empty selector takes all pods of the namespace, a missing one none),
of LabelSelector (its four operators), and “Deployments, Pod-template-hash label”: a ReplicaSet is named DEPLOYMENT-HASH.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sloth.model.step import Ask

_POD = (
    '{.metadata.namespace}{"\\t"}{.metadata.name}{"\\t"}{.metadata.labels}{"\\t"}'
    '{.metadata.ownerReferences[?(@.controller==true)].kind}{"\\t"}'
    '{.metadata.ownerReferences[?(@.controller==true)].name}{"\\t"}{.status.phase}{"\\n"}'
)
_BUDGET = (
    '{.metadata.namespace}{"\\t"}{.metadata.name}{"\\t"}{.spec.selector}{"\\t"}'
    '{.status.disruptionsAllowed}{"\\t"}{.status.currentHealthy}{"\\t"}{.status.desiredHealthy}{"\\n"}'
)


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod on a node that is being drained."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""  # `Deployment/web`; "" if nothing would make it anew
    ended: bool = False

    @property
    def full_name(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    @property
    def stays(self) -> bool:
        """Whether a drain leaves it where it is: what the node itself or a DaemonSet runs."""
        return self.owner.partition("/")[0] in ("DaemonSet", "Node")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A PodDisruptionBudget as it stands."""

    namespace: str
    name: str
    selector: Mapping[str, Any] | None = None
    allowed: int = 0  # pods that may go now
    healthy: int = 0
    needed: int = 0

    @property
    def full_name(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    def covers(self, pod: Pod) -> bool:
        """Whether it protects that pod."""
        if self.selector is None or pod.namespace != self.namespace:
            return False
        labels = self.selector.get("matchLabels") or {}
        rules = self.selector.get("matchExpressions") or ()
        return labels.items() <= pod.labels.items() and all(_holds(rule, pod.labels) for rule in rules)


def ask_pods(name: str, kubectl: str) -> Ask:
    """The pods on a node, for `read_pods`."""
    what = f"get pods -A --field-selector spec.nodeName={name} -o jsonpath='{{range .items[*]}}{_POD}{{end}}'"
    return Ask(title=f"list the pods on {name}", run=f"{kubectl} {what}", check=False)


def ask_budgets(kubectl: str) -> Ask:
    """All budgets, for `read_budgets`."""
    what = f"get poddisruptionbudgets -A -o jsonpath='{{range .items[*]}}{_BUDGET}{{end}}'"
    return Ask(title="list the disruption budgets", run=f"{kubectl} {what}", check=False)


def read_pods(text: str) -> list[Pod]:
    """Pods out of the answer to `ask_pods`."""
    pods = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 6:
            space, name, labels, kind, owner, phase = fields
            known = _object(labels) or {}
            ended = phase in ("Succeeded", "Failed")
            pods.append(Pod(namespace=space, name=name, labels=known, owner=_owner(kind, owner, known), ended=ended))
    return pods


def read_budgets(text: str) -> list[Budget]:
    """Budgets out of the answer to `ask_budgets`."""
    budgets = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 6:
            space, name, selector, *counts = fields
            allowed, healthy, needed = (int(each) if each.isdigit() else 0 for each in counts)
            budgets.append(
                Budget(namespace=space, name=name, selector=_object(selector), allowed=allowed, healthy=healthy, needed=needed)
            )
    return budgets


def blocking(pods: Sequence[Pod], budgets: Sequence[Budget]) -> list[tuple[Budget, list[Pod]]]:
    """Budgets that allow no disruption now, each with the pods that cannot go because of it."""
    held = []
    for budget in budgets:
        mine = [pod for pod in pods if not pod.stays and not pod.ended and budget.covers(pod)]
        if mine and budget.allowed == 0:
            held.append((budget, mine))
    return held


def described(budget: Budget, pods: Sequence[Pod]) -> str:
    """One line of evidence: `shop/web allows no disruption (1 healthy, 1 needed): pod web-7f-x of Deployment/web`."""
    names = ", ".join(f"{pod.name} of {pod.owner or 'nobody'}" for pod in pods[:5])
    more = f" and {len(pods) - 5} more" if len(pods) > 5 else ""
    return f"{budget.full_name} allows no disruption ({budget.healthy} healthy, {budget.needed} needed): pod {names}{more}"


def _owner(kind: str, name: str, labels: Mapping[str, str]) -> str:
    tail = f"-{labels['pod-template-hash']}" if labels.get("pod-template-hash") else ""
    if kind == "ReplicaSet" and tail and name.endswith(tail):
        return f"Deployment/{name.removesuffix(tail)}"
    return f"{kind}/{name}" if kind else ""


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = rule.get("key", ""), rule.get("values") or ()
    match rule.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
