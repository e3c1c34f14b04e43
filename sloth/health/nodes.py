"""Machines and nodes: there, answering, members, Ready, with their services running."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sloth.health.finding import Finding, critical, healthy, unknown, warning
from sloth.health.view import NODES, SILENT, View

# Tab-separated, one node a line: see `columns`.
COLUMNS = (
    '{.metadata.name}{"\\t"}{.status.nodeInfo.kubeletVersion}{"\\t"}{.spec.unschedulable}{"\\t"}'
    '{range .status.conditions[*]}{.type}={.status} {end}{"\\n"}'
)
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


@dataclass(frozen=True, kw_only=True)
class KubeNode:
    """A node as Kubernetes has it."""

    version: str
    cordoned: bool
    conditions: Mapping[str, str]  # Ready -> True | False | Unknown


def read(text: str) -> dict[str, KubeNode]:
    """Nodes by name; lines of another form are passed over."""
    found = {}
    for line in text.splitlines():
        cells = line.split("\t")
        if len(cells) == 4:
            conditions = dict(word.partition("=")[::2] for word in cells[3].split())
            found[cells[0]] = KubeNode(version=cells[1], cordoned=cells[2] == "true", conditions=conditions)
    return found


def known_to_kubernetes(view: View) -> dict[str, KubeNode]:
    """The nodes as the first control-plane node that could say it has them."""
    return next((read(text) for _, text in view.spoken(NODES)), {})


def readiness(view: View) -> dict[str, str]:
    """Node name -> `Ready` or `NotReady`, by the first control-plane node that answers."""
    for _, text in view.spoken("kube.nodes"):
        return dict(word.rpartition(":")[::2] for word in text.split())
    return {}


def machines(view: View) -> Iterator[Finding]:
    """Every machine exists and runs."""
    if not view.leases:
        yield critical("machines", "", "this cluster has no nodes", "sloth up")
    for name in view.names:
        if name in view.running:
            yield healthy("machines", name, "running")
        else:
            yield critical("machines", name, "its machine is missing or stopped", "sloth up")


def nodes(view: View) -> Iterator[Finding]:
    """Every node answers, is a member with its services running, and Ready."""
    ready = readiness(view)
    seen = known_to_kubernetes(view)
    for name in view.names:
        found = list(_node(view, name, ready.get(name, "unknown"), seen.get(name)))
        yield from found or [healthy("nodes", name, "Ready")]
    for name in sorted(set(ready) - set(view.names)):
        yield warning(
            "nodes", name, "Kubernetes has a node that this cluster's record does not know", f"kubectl describe node {name}"
        )


def _node(view: View, name: str, ready: str, seen: KubeNode | None) -> Iterator[Finding]:
    fact = view.fact(name)
    if name not in view.running:
        yield unknown("nodes", name, "nothing can be asked of a machine that does not run", "sloth up")
        return
    if not view.answered(name):
        yield critical("nodes", name, f"it does not answer: {fact.get(SILENT) or 'no reason is known'}", f"sloth ssh {name}")
        return
    yield from _member(name, fact.get("kube.state"))
    yield from _services(name, view)
    if ready == "NotReady":
        yield critical("nodes", name, "Kubernetes says it is not Ready", f"kubectl describe node {name}")
    elif ready != "Ready":
        yield unknown("nodes", name, "no control-plane node says whether it is Ready", "sloth health")
    if seen:
        yield from _conditions(name, seen)


def _member(name: str, state: str) -> Iterator[Finding]:
    if state == "broken":
        yield critical("nodes", name, "its membership is broken: a join or a removal was not finished", "sloth recover")
    elif state == "none":
        yield critical("nodes", name, "it is no member of Kubernetes", "sloth up")
    elif state != "joined":
        yield unknown("nodes", name, "it did not say whether it is a member of Kubernetes", f"sloth ssh {name}")


def _services(name: str, view: View) -> Iterator[Finding]:
    fact = view.fact(name)
    if fact.get("kube.state") != "joined":
        return
    for key, value in sorted(fact.values.items()):
        if key.startswith("unit.") and value != "active":
            unit = key.removeprefix("unit.")
            yield critical("nodes", name, f"its service {unit} is {value}", f"sloth ssh {name} -- journalctl -u {unit} -n 50")
    server = any(lease.name == name for lease in view.servers)
    if server and view.kubectl and not fact.get("kube.api"):
        yield unknown("nodes", name, "it did not say whether its API server is ready", f"sloth ssh {name}")
    if fact.get("kube.api") == "down":
        yield critical("nodes", name, "its API server is not ready", f"sloth ssh {name} -- /usr/local/lib/sloth/kube-why")
    if fact.get("kube.etcd") == "down":
        yield critical("nodes", name, "its etcd is not ready", f"sloth ssh {name} -- /usr/local/lib/sloth/kube-why")


def _conditions(name: str, seen: KubeNode) -> Iterator[Finding]:
    pressed = [each for each in _PRESSURES if seen.conditions.get(each) == "True"]
    if pressed:
        yield warning("nodes", name, f"Kubernetes reports {', '.join(pressed)}", f"kubectl describe node {name}")
    if seen.cordoned:
        yield warning("nodes", name, "it is cordoned: no pod is placed on it", f"sloth nodes uncordon {name}")
