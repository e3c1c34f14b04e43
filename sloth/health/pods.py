"""System pods: each workload of kube-system as a whole, so that one restart of one of many is no alarm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sloth.health.finding import Finding, critical, healthy, unknown, warning
from sloth.health.view import PODS, View

NAMESPACE = "kube-system"
# Tab-separated, one pod a line.
COLUMNS = (
    '{.metadata.name}{"\\t"}{.metadata.ownerReferences[0].kind}{"\\t"}{.metadata.ownerReferences[0].name}{"\\t"}{.spec.nodeName}'
    '{"\\t"}{.status.phase}{"\\t"}{.status.conditions[?(@.type=="Ready")].status}{"\\t"}'
    '{range .status.containerStatuses[*]}{.state.waiting.reason} {end}{"\\n"}'
)


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod of the system."""

    name: str
    kind: str  # of its owner: Node (a static pod), DaemonSet, ReplicaSet, …
    owner: str
    node: str
    phase: str
    ready: bool
    reason: str  # why a container waits

    @property
    def workload(self) -> str:
        """What it belongs to; a static pod is one of its own."""
        return self.name if self.kind in ("Node", "") else f"{self.kind} {self.owner}"


def read(text: str) -> list[Pod]:
    """Pods; lines of another form are passed over."""
    rows = (line.split("\t") for line in text.splitlines())
    return [
        Pod(
            name=x[0],
            kind=x[1],
            owner=x[2],
            node=x[3],
            phase=x[4],
            ready=x[5] == "True",
            reason=" ".join(sorted(set(x[6].split()))),
        )
        for x in rows
        if len(x) == 7
    ]


def pods(view: View) -> Iterator[Finding]:
    """A workload none of whose pods is ready does not work; one with some of them works, but not as it should."""
    if not view.kubectl:
        return
    found = next((read(text) for _, text in view.spoken(PODS)), [])
    if not found:
        yield unknown("pods", "", f"no control-plane node could list the pods of {NAMESPACE}", "sloth health")
        return
    groups: dict[str, list[Pod]] = defaultdict(list)
    for pod in found:
        if pod.phase != "Succeeded":
            groups[pod.workload].append(pod)
    bad = [finding for name, group in sorted(groups.items()) for finding in _workload(name, group)]
    yield from bad or [healthy("pods", "", f"{len(found)} pods of {NAMESPACE} are ready")]


def _workload(name: str, group: Sequence[Pod]) -> Iterator[Finding]:
    ill = [pod for pod in group if not pod.ready]
    if not ill:
        return
    one = ill[0]
    hint = f"kubectl -n {NAMESPACE} describe pod {one.name}"
    why = f": {one.reason}" if one.reason else ""
    where = f" (on {', '.join(sorted({pod.node or 'no node' for pod in ill}))})"
    if len(ill) == len(group):
        text = "is not ready" if len(group) == 1 else f"none of its {len(group)} pods is ready"
        yield critical("pods", name, text + where + why, hint)
    else:
        yield warning("pods", name, f"{len(ill)} of its {len(group)} pods are not ready{where}{why}", hint)
