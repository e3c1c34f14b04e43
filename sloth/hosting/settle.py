"""The last part of `up`: labels, taints and cluster services as the spec asks, and the wait until all of it works."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import cast

from sloth.hosting.admin import WHY, Admin
from sloth.hosting.nodes import CONTROL_PLANE_TAINT, labels, taint_text, taints
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Ask, Do, Result, Script, Step, Wait

# Kubernetes, "Create static Pods": a mirror pod is named after its manifest's pod and its node.
_COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_OWNED = "sloth.dev/owned"  # annotation: label and taint keys that sloth gave, so that it can take them back
_COLUMNS = '{.metadata.name}{"\\t"}{.metadata.labels}{"\\t"}{.spec.taints}{"\\t"}{.metadata.annotations.sloth\\.dev/owned}{"\\n"}'


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A node as Kubernetes has it."""

    labels: Mapping[str, str]
    taints: frozenset[str]  # as `kubectl taint` writes them: `key=value:Effect`
    owned: frozenset[str]  # `label:KEY`, `taint:KEY`


@dataclass(frozen=True, kw_only=True)
class Settling:
    """What differs between distributions."""

    admin: Admin
    rollouts: tuple[str, ...]  # of kube-system, such as `deployment/coredns`: what must have come up at the end
    dns: str = ""  # the deployment of DNS servers whose number sloth sets; "" = the distribution sets it
    role: bool = True  # sloth gives control-plane nodes their role label; false = the distribution does
    static_pods: bool = False  # control-plane components are static pods: those have come up at the end, too

    def settle(self, cluster: Cluster) -> Script[None]:
        """Bring labels, taints and DNS servers to what the spec asks; then wait until every node and service is ready."""
        results = cast(list[Result], (yield self._questions(cluster)))
        seen = read(results[1].out)
        replicas = results[2].out if self.dns else ""
        yield [*self.changes(cluster, seen), *self._dns(cluster, replicas), self._ready(cluster)]

    def _questions(self, cluster: Cluster) -> list[Step]:
        names, quick = _names(cluster), self.admin.quick
        known = Wait(
            title="wait until Kubernetes knows every node",
            until=f"kubectl get nodes {names} -o name {quick} >/dev/null",
            diagnose=f"kubectl get nodes {names} {quick} 2>&1; {WHY}",
            hint="sloth nodes list",
        )
        read_all = f"kubectl get nodes -o jsonpath='{{range .items[*]}}{_COLUMNS}{{end}}' {quick}"
        steps: list[Step] = [known, Ask(title="read the nodes", run=read_all)]
        if self.dns:
            count = f"kubectl get deployment {self.dns} -n kube-system -o jsonpath='{{.spec.replicas}}' {quick}"
            steps.append(Ask(title="read the number of DNS servers", run=count))
        return steps

    def changes(self, cluster: Cluster, seen: Mapping[str, Seen]) -> list[Step]:
        """One kubectl for all nodes that need the same change."""
        groups: dict[str, list[str]] = defaultdict(list)
        for node in cluster.nodes:
            if node.name in seen:
                for change in self._changes_of(node, cluster, seen[node.name]):
                    groups[change].append(node.name)
        return [self._change(change, names) for change, names in groups.items()]

    def _change(self, change: str, names: list[str]) -> Do:
        verb, _, values = change.partition(" ")
        return Do(
            title=f"{verb} {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""),
            run=f"kubectl {verb} nodes {' '.join(names)} --overwrite {values} {self.admin.quick} >/dev/null",
            hint="sloth up tries again",
        )

    def _changes_of(self, node: Node, cluster: Cluster, seen: Seen) -> list[str]:
        wanted = labels(node, role=self.role)
        wanted_taints = {taint_text(each) for each in taints(node, cluster)}
        owned = {f"label:{key}" for key in wanted} | {f"taint:{_key(each)}" for each in wanted_taints}
        gone = {each.partition(":")[2] for each in seen.owned - owned if each.startswith("label:")} & set(seen.labels)
        label = [f"{key}={value}" for key, value in wanted.items() if seen.labels.get(key) != value]
        # A taint of a key that sloth owns (or owned) and that is not asked for goes; taints of others stay.
        ours = {each.partition(":")[2] for each in seen.owned | owned if each.startswith("taint:")} | {CONTROL_PLANE_TAINT["key"]}
        taint = sorted(wanted_taints - seen.taints)
        untaint = sorted(f"{each}-" for each in seen.taints - wanted_taints if _key(each) in ours and not _replaced(each, taint))
        found = {
            "label": sorted(label) + sorted(f"{key}-" for key in gone),
            "taint": taint + untaint,
            "annotate": [f"{_OWNED}={' '.join(sorted(owned))}"] if seen.owned != owned else [],
        }
        return [f"{verb} {' '.join(quote(value) for value in values)}" for verb, values in found.items() if values]

    def _dns(self, cluster: Cluster, replicas: str) -> list[Step]:
        """At least two DNS servers where there are two nodes (they spread by themselves), and one more per hundred nodes."""
        wanted = min(len(cluster.nodes), 2 + len(cluster.nodes) // 100)
        if not replicas.isdigit() or int(replicas) >= wanted:
            return []
        scale = f"kubectl scale deployment {self.dns} -n kube-system --replicas={wanted} {self.admin.quick} >/dev/null"
        return [Do(title=f"run {wanted} DNS servers", run=scale, hint="sloth up tries again")]

    def _ready(self, cluster: Cluster) -> Wait:
        flags = self.admin.flags
        ready = f"kubectl wait --for=condition=Ready --timeout=20s {flags} >/dev/null "
        rollout = f"kubectl rollout status -n kube-system --timeout=20s {flags} >/dev/null "
        each = [ready + " ".join(f"node/{node.name}" for node in cluster.nodes)]
        if self.static_pods:
            each.append(ready + "-n kube-system " + " ".join(self._mirrors(cluster)))
        return Wait(
            title="wait until every node and service is ready",
            until=" && ".join([*each, *(rollout + name for name in self.rollouts)]),
            timeout=300.0,
            diagnose=WHY,
            hint="kubectl get pods -A -o wide shows what is not running, and where",
        )

    def _mirrors(self, cluster: Cluster) -> Iterator[str]:
        # By name: those of a node that left stay until the garbage collector has seen them.
        for node in cluster.nodes:
            if node.is_control_plane:
                yield from (f"pod/{component}-{node.name}" for component in _COMPONENTS)


def read(lines: str) -> dict[str, Seen]:
    """Nodes by name, from the tab-separated lines of the question."""
    found = {}
    for line in lines.splitlines():
        name, labels_json, taints_json, owned = line.split("\t")
        found[name] = Seen(
            labels=json.loads(labels_json or "{}"),
            taints=frozenset(taint_text(each) for each in json.loads(taints_json or "[]")),
            owned=frozenset(owned.split()),
        )
    return found


def _names(cluster: Cluster) -> str:
    return " ".join(node.name for node in cluster.nodes)


def _replaced(old: str, new: list[str]) -> bool:
    """Whether --overwrite replaces it by itself: same key and effect, other value."""
    return any(_key(each) == _key(old) and each.rpartition(":")[2] == old.rpartition(":")[2] for each in new)


def _key(taint: str) -> str:
    return taint.rpartition(":")[0].partition("=")[0]
