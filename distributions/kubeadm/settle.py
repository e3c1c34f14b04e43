"""The last part of `up`: labels, taints and cluster services as the spec asks, and the wait until all of it works."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import cast

from sloth.api import Ask, Cluster, Do, Node, Result, Script, Step, Wait

from .kubelet import CONTROL_PLANE_TAINT, labels, taints
from .layout import AS_ADMIN, QUICK, WHY

_OWNED = "sloth.dev/owned"  # annotation: label and taint keys that sloth gave, so that it can take them back
_COLUMNS = '{.metadata.name}{"\\t"}{.metadata.labels}{"\\t"}{.spec.taints}{"\\t"}{.metadata.annotations.sloth\\.dev/owned}{"\\n"}'


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A node as Kubernetes has it."""

    labels: Mapping[str, str]
    taints: frozenset[str]  # as `kubectl taint` writes them: `key=value:Effect`
    owned: frozenset[str]  # `label:KEY`, `taint:KEY`


def settle(server: Node, cluster: Cluster) -> Script[None]:
    """Bring labels, taints and CoreDNS to what the spec asks; then wait until every node and service is ready."""
    names = " ".join(node.name for node in cluster.nodes)
    results = cast(
        list[Result],
        (
            yield [
                Wait(
                    title="wait until Kubernetes knows every node",
                    until=f"kubectl get nodes {names} -o name {QUICK} >/dev/null",
                    diagnose=f"kubectl get nodes {names} {QUICK} 2>&1; {WHY}",
                    hint="sloth nodes list",
                ),
                Ask(title="read the nodes", run=f"kubectl get nodes -o jsonpath='{{range .items[*]}}{_COLUMNS}{{end}}' {QUICK}"),
                Ask(
                    title="read the number of DNS servers",
                    run=f"kubectl get deployment coredns -n kube-system -o jsonpath='{{.spec.replicas}}' {QUICK}",
                ),
            ]
        ),
    )
    seen = read(results[1].out)
    yield [*changes(cluster, seen), *_dns(cluster, results[2].out), _ready(names)]


def read(lines: str) -> dict[str, Seen]:
    """Nodes by name, from the tab-separated lines of the question."""
    found = {}
    for line in lines.splitlines():
        name, labels_json, taints_json, owned = line.split("\t")
        taint_list = json.loads(taints_json or "[]")
        found[name] = Seen(
            labels=json.loads(labels_json or "{}"),
            taints=frozenset(_taint_text(each) for each in taint_list),
            owned=frozenset(owned.split()),
        )
    return found


def changes(cluster: Cluster, seen: Mapping[str, Seen]) -> list[Step]:
    """One kubectl for all nodes that need the same change."""
    groups: dict[str, list[str]] = defaultdict(list)
    for node in cluster.nodes:
        if node.name in seen:
            for change in _changes_of(node, cluster, seen[node.name]):
                groups[change].append(node.name)
    return [_change(change, names) for change, names in groups.items()]


def _change(change: str, names: list[str]) -> Do:
    verb, _, values = change.partition(" ")
    return Do(
        title=f"{verb} {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""),
        run=f"kubectl {verb} nodes {' '.join(names)} --overwrite {values} {QUICK} >/dev/null",
        hint="sloth up tries again",
    )


def _changes_of(node: Node, cluster: Cluster, seen: Seen) -> list[str]:
    wanted = labels(node)
    wanted_taints = {_taint_text(each) for each in taints(node, cluster)}
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


def _replaced(old: str, new: list[str]) -> bool:
    """Whether --overwrite replaces it by itself: same key and effect, other value."""
    return any(_key(each) == _key(old) and each.rpartition(":")[2] == old.rpartition(":")[2] for each in new)


def _taint_text(taint: Mapping[str, str]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _key(taint: str) -> str:
    return taint.rpartition(":")[0].partition("=")[0]


def _dns(cluster: Cluster, replicas: str) -> list[Step]:
    """At least two DNS servers where there are two nodes (they spread by themselves), and one more per hundred nodes."""
    wanted = min(len(cluster.nodes), 2 + len(cluster.nodes) // 100)
    if not replicas.isdigit() or int(replicas) >= wanted:
        return []
    scale = f"kubectl scale deployment coredns -n kube-system --replicas={wanted} {QUICK} >/dev/null"
    return [Do(title=f"run {wanted} DNS servers", run=scale, hint="sloth up tries again")]


def _ready(names: str) -> Wait:
    each = " ".join(f"node/{name}" for name in names.split())
    rollout = f"kubectl rollout status -n kube-system --timeout=20s {AS_ADMIN} >/dev/null"
    return Wait(
        title="wait until every node and service is ready",
        until=f"kubectl wait --for=condition=Ready --timeout=20s {AS_ADMIN} {each} >/dev/null"
        f" && {rollout} daemonset/kube-proxy && {rollout} deployment/coredns",
        timeout=300.0,
        diagnose=WHY,
        hint="kubectl get pods -A -o wide shows what is not running, and where",
    )
