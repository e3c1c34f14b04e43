"""One question to a control-plane node about the whole cluster, and what its answer says. Kubernetes is asked, never guessed.

Columns come from `kubectl get --output custom-columns` and `jsonpath` (Kubernetes documentation, "kubectl reference").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from sloth.upgrade import addons, extensions
from sloth.upgrade.addons import Running
from sloth.upgrade.extensions import Extensions
from sloth.upgrade.removed import Removed, requested

HOLDS = "upgrade"  # value of the annotation `sloth.dev/cordoned`: this upgrade cordoned the node, and will uncordon it
SYSTEM = "kube-system"
_TAB = '{"\\t"}'
_NODE = _TAB.join(
    (
        "{.metadata.name}",
        "{.status.nodeInfo.kubeletVersion}",
        '{.status.conditions[?(@.type=="Ready")].status}',
        "{.spec.unschedulable}",
        "{.metadata.annotations.sloth\\.dev/cordoned}",
    )
)
_BUDGET = _TAB.join(
    (
        "{.metadata.namespace}/{.metadata.name}",
        "{.status.disruptionsAllowed}",
        "{.status.currentHealthy}",
        "{.status.desiredHealthy}",
        "{.status.expectedPods}",
    )
)
_WORKLOAD = _TAB.join(
    (
        "{.kind}",
        "{.metadata.namespace}/{.metadata.name}",
        "{.spec.replicas}{.status.desiredNumberScheduled}",
        "{.status.readyReplicas}{.status.numberReady}",
    )
)
WORKLOADS = "deployments,statefulsets,daemonsets"


@dataclass(frozen=True, kw_only=True)
class NodeSeen:
    """A node as Kubernetes has it."""

    name: str
    version: str  # of its kubelet, as it runs
    ready: bool
    cordoned: bool
    drained: bool  # cordoned by an upgrade

    @property
    def away(self) -> bool:
        """Whether it takes no pods, for another reason than an upgrade."""
        return not self.drained and (self.cordoned or not self.ready)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A disruption budget. Its counts are pods."""

    name: str  # `namespace/name`
    allowed: int  # pods that may go right now
    healthy: int
    desired: int  # of them that must stay
    expected: int

    @property
    def never(self) -> bool:
        """Whether it lets no pod go even when all are healthy: a drain can only fail."""
        return self.expected > 0 and self.desired >= self.expected


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet."""

    name: str  # `Kind namespace/name`
    wanted: int
    ready: int

    @property
    def failing(self) -> bool:
        """Whether it has fewer ready pods than it wants."""
        return self.ready < self.wanted


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a look brought back. `servers`: mesh address -> version of the API server there, "" where it did not answer."""

    nodes: Mapping[str, NodeSeen] = field(default_factory=lambda: MappingProxyType({}))
    servers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    budgets: tuple[Budget, ...] = ()
    workloads: tuple[Workload, ...] = ()  # outside kube-system
    apis: tuple[Removed, ...] | None = None  # deprecated APIs that were requested; None = not read
    extensions: Extensions = field(default_factory=Extensions)
    addons: tuple[Running, ...] | None = None  # well-known software that others installed; None = not read
    snapshot: float = 0.0  # Unix seconds of the newest snapshot on the node that was asked; 0 = none

    @property
    def failing(self) -> list[str]:
        """Workloads that have fewer ready pods than they want."""
        return [each.name for each in self.workloads if each.failing]


def question(kubectl: str, addresses: Sequence[str], snapshots: str) -> str:
    """The shell text. `addresses`: mesh addresses of control-plane nodes; `snapshots`: folder of etcd snapshots. Reads only."""
    servers = " ".join(addresses)
    at = "--server=https://$address:6443"
    return f"""echo '= nodes'
{kubectl} get nodes -o jsonpath='{{range .items[*]}}{_NODE}{{"\\n"}}{{end}}' || exit
echo '= servers'
for address in {servers}; do
  echo "$address $({kubectl} get --raw /version {at} 2>/dev/null | sed -n 's/.*"gitVersion": "\\([^"]*\\)".*/\\1/p')"
done
echo '= budgets'
{kubectl} get poddisruptionbudgets -A -o jsonpath='{{range .items[*]}}{_BUDGET}{{"\\n"}}{{end}}' || exit
echo '= workloads'
{kubectl} get {WORKLOADS} -A -o jsonpath='{{range .items[*]}}{_WORKLOAD}{{"\\n"}}{{end}}' || exit
{extensions.question(kubectl)}
{addons.question(kubectl)}
echo '= snapshot'
stat -c %Y {snapshots}/*.db 2>/dev/null | sort -n | tail -n 1
echo '= apis'
for address in {servers}; do
  {kubectl} get --raw /metrics {at} 2>/dev/null | grep '^apiserver_requested_deprecated_apis\\|^apiserver_request_total' |
    sed 's/^apiserver_request_total.*/read/' | sort -u
done
true"""


@lru_cache(maxsize=4)
def parse(text: str) -> Seen:
    """What the answer says. Raises ValueError for an answer that is none."""
    parts: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("= "):
            parts[line[2:]] = lines = []
        elif line.strip() and parts:
            lines.append(line)
    if "apis" not in parts:
        raise ValueError("the answer has no end")
    apis = parts["apis"]
    return Seen(
        nodes={node.name: node for node in map(_node, parts["nodes"])},
        servers={address: version for address, _, version in (line.partition(" ") for line in parts["servers"])},
        budgets=tuple(map(_budget, parts["budgets"])),
        workloads=tuple(each for each in map(_workload, parts["workloads"]) if f" {SYSTEM}/" not in each.name),
        extensions=extensions.read(parts),
        addons=addons.read(parts["addons"]) if "addons" in parts else None,
        apis=tuple(requested("\n".join(apis))) if "read" in apis else None,
        snapshot=float(parts["snapshot"][0]) if parts["snapshot"] else 0.0,
    )


def _node(line: str) -> NodeSeen:
    name, version, ready, cordoned, held = line.split("\t")
    return NodeSeen(name=name, version=version, ready=ready == "True", cordoned=cordoned == "true", drained=held == HOLDS)


def _budget(line: str) -> Budget:
    name, *counts = line.split("\t")
    allowed, healthy, desired, expected = (int(count or 0) for count in counts)
    return Budget(name=name, allowed=allowed, healthy=healthy, desired=desired, expected=expected)


def _workload(line: str) -> Workload:
    kind, name, wanted, ready = line.split("\t")
    return Workload(name=f"{kind} {name}", wanted=int(wanted or 0), ready=int(ready or 0))
