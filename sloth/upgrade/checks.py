"""What stands in the way of an upgrade, and what should be known before it: pure findings out of one look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sloth.upgrade import addons, extensions
from sloth.upgrade.finding import Finding, blocks, unknown, warns
from sloth.upgrade.look import Budget, Seen
from sloth.upgrade.removed import Removed
from sloth.upgrade.versions import minor, minor_text, parse, skew_problems

_OLD = 24 * 3600.0  # seconds after which a snapshot is worth a word


def findings(
    seen: Seen,
    *,
    names: Mapping[str, str],
    silent: Sequence[str],
    running: str,
    target: str,
    now: float,
    unit: str,
    components: Mapping[str, Sequence[str]] = MappingProxyType({}),
    after: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Finding]:
    """All of them, those that block first.

    `names`: the record's nodes -> mesh address of a control-plane node, "" of a worker. `silent`: nodes whose machine does not
    run or did not answer. `now`: Unix seconds. `unit`: the systemd unit that runs the kubelet of a control-plane node.
    `components`, `after`: workloads of kube-system -> versions that belong to the running and to the target version.
    """
    found = [
        *_nodes(seen, names, silent, unit),
        *_skew(seen, target),
        *_apis(seen.apis, running, target),
        *_budgets(seen.budgets),
        *extensions.findings(seen.extensions, components, after),
        *addons.findings(seen.addons, target),
        *_snapshot(seen.snapshot, now),
    ]
    return sorted(found, key=lambda each: ("blocks", "unknown", "warns").index(each.level))


def _nodes(seen: Seen, names: Mapping[str, str], silent: Sequence[str], unit: str) -> list[Finding]:
    found = []
    for name, address in names.items():
        node = seen.nodes.get(name)
        if name in silent:
            found.append(
                blocks("nodes", f"{name} does not run or does not answer", f"sloth status; or sloth nodes remove {name}")
            )
        elif node is None:
            found.append(blocks("nodes", f"Kubernetes does not know {name}", "sloth up"))
        elif not node.ready and not node.drained:
            found.append(blocks("nodes", f"{name} is not Ready", f"kubectl describe node {name}"))
        elif node.cordoned and not node.drained:
            found.append(warns("nodes", f"{name} is cordoned, and stays so", f"kubectl uncordon {name}"))
        if name not in silent and address and not seen.servers.get(address):
            hint = f"sloth ssh {name} -- journalctl -u {unit} -n 50"
            found.append(warns("nodes", f"the API server of {name} does not answer", hint))
    strangers = [name for name in seen.nodes if name not in names]
    return found + [
        warns("nodes", f"{name} is not sloth's: it keeps its version", f"kubectl describe node {name}") for name in strangers
    ]


def _skew(seen: Seen, target: str) -> list[Finding]:
    servers = [version for version in seen.servers.values() if version]
    kubelets = [node.version for node in seen.nodes.values()]
    return [blocks("skew", text, "sloth status shows every node's version") for text in skew_problems(servers, kubelets, target)]


def _apis(apis: Sequence[Removed] | None, running: str, target: str) -> list[Finding]:
    if apis is None:
        hint = "kubectl get --raw /metrics | grep apiserver_requested_deprecated_apis"
        return [unknown("apis", "the API servers' metrics could not be read: deprecated APIs in use are unknown", hint)]
    found = []
    for each in apis:
        if each.minor <= minor(running):
            continue  # gone already: whoever asked for it got no answer
        use = f"use {each.instead} in its place" if each.instead else "it has no successor"
        text = f"{each.api} {each.resource} is in use and is removed in {each.minor[0]}.{each.minor[1]}"
        if each.minor <= minor(target):
            found.append(
                blocks(
                    "apis",
                    f"{text}, so {minor_text(target)} does not serve it",
                    f"{use}; the API server forgets the use when it restarts",
                )
            )
        else:
            found.append(warns("apis", text, use))
    return found


def _budgets(budgets: Sequence[Budget]) -> list[Finding]:
    found = []
    for each in budgets:
        namespace, _, name = each.name.partition("/")
        show = f"kubectl -n {namespace} describe poddisruptionbudget {name}"
        if each.never:
            text = f"budget {each.name} never lets a pod go: {each.desired} of {each.expected} must stay"
            found.append(blocks("budgets", text, f"more replicas or a looser budget: {show}"))
        elif not each.allowed and each.expected:
            text = f"budget {each.name} lets no pod go now: {each.healthy} healthy, {each.desired} must stay"
            found.append(warns("budgets", text, show))
    return found


def _snapshot(taken: float, now: float) -> list[Finding]:
    if taken and now - taken < _OLD:
        return []
    text = f"the newest snapshot of etcd is {age(now - taken)} old" if taken else "there is no snapshot of etcd yet"
    return [warns("snapshot", text, "nothing: sloth upgrade apply saves one before it begins")]


def age(seconds: float) -> str:
    """In words: minutes, hours or days, rounded down."""
    minutes = int(max(seconds, 0) // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"


def unfinished(seen: Seen, names: Mapping[str, str], target: str) -> list[str]:
    """What is missing until every node runs the target and takes pods, in words; empty when the upgrade is complete."""
    found = []
    for name, address in names.items():
        node = seen.nodes.get(name)
        if node is None:
            found.append(f"{name}: Kubernetes does not know it")
            continue
        server = seen.servers.get(address) if address else target
        if server != target:
            found.append(f"{name}: its API server {f'runs {server}' if server else 'does not answer'}")
        if parse(node.version) != parse(target):
            found.append(f"{name}: its kubelet runs {node.version}")
        if not node.ready:
            found.append(f"{name}: not Ready")
        if node.drained:
            found.append(f"{name}: still cordoned by the upgrade")
    return found
