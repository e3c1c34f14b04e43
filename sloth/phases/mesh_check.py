"""The gate before Kubernetes: every pair of nodes has shaken hands and carried a full-size packet there and back.

One round trip to each node that has a pair to prove; the node tries all its unproven peers at once and remembers what passed
(below /run, so that a reboot makes it prove its pairs again). So a new node is tried with all others whatever their number,
from both sides, and pairs that passed before are not tried again. That they still work is seen by the inspection, which pings
every peer once, above 50 peers a random sample of 50; a pair that is silent there is tried here again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from shlex import quote

from sloth.errors import StepError, raise_all
from sloth.mesh.host import SCRIPT
from sloth.mesh.probe import End, Report, fault, parse
from sloth.mesh.wireguard import MeshView, endpoint
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Do, Result, Script

PATIENCE = 20  # seconds for a pair to answer; 15 more once it has shaken hands (templates/mesh/sloth-mesh)
AGAIN = 8  # seconds, when both ends try once more to find the cause
_WAVE = 64  # peers that a node tries at once (templates/mesh/sloth-mesh)
_SILENT = "mesh.silent."


def check(cluster: Cluster, view: MeshView, grown: frozenset[str]) -> PhaseRun:
    """Try what is unproven; `grown` = nodes that were just given a peer. Raises ConnectError for each pair that fails."""
    names = frozenset(node.name for node in view.nodes)
    scripts = {}
    for node in cluster.nodes if len(names) > 1 else ():
        fact = cluster.fact(node.name)
        silent = names & {key.removeprefix(_SILENT) for key in fact.values if key.startswith(_SILENT)}
        if silent or node.name in grown or fact.get("mesh.passed") != "ok":
            scripts[node.name] = _try(node.name, silent, len(names), PATIENCE)
    reports: dict[str, Report] = yield Each(title="try the mesh's pairs", scripts=scripts)
    pairs = failing(reports)
    one_sided = {name: names for name, names in _by_node(pairs).items() if not set(names) <= set(_tried(reports, name))}
    if one_sided:
        # The cause shows only where both ends try at the same time.
        ends = _by_node(pair for pair in pairs if set(pair) & set(one_sided))
        again = {name: _try(name, names, len(view.nodes), AGAIN) for name, names in ends.items()}
        reports = {**reports, **(yield Each(title="look for the cause", scripts=again))}
        pairs = failing(reports)
    raise_all("nodes do not reach each other in the mesh", [_fault(view, reports, *pair) for pair in pairs])
    return cluster


def _try(node: str, names: Iterable[str], nodes: int, patience: int) -> Script[Report]:
    waves = nodes // _WAVE + 1
    words = " ".join(quote(name) for name in sorted(names))
    result = yield Do(
        title="try mesh peers",
        run=f"PATIENCE={patience} {SCRIPT} check {words}".strip(),
        timeout=waves * (patience + 30.0) + 15.0,
        hint=f"sloth ssh {node} -- {SCRIPT} check",
    )
    assert isinstance(result, Result)  # noqa: S101  one step, one result
    report = parse(result.out)
    if not report.whole and not result.predicted:
        raise StepError(
            "mesh/no-report",
            f"{node}: the test of the mesh ended without saying how it went",
            detail=f"{result.out}\n{result.err}".strip(),
            where=node,
            hint=f"sloth ssh {node} -- {SCRIPT} check",
        )
    return report


def failing(reports: Mapping[str, Report]) -> list[tuple[str, str]]:
    """Pairs of which at least one end got no full-size answer, each once."""
    pairs = {
        (min(node, peer), max(node, peer))
        for node, report in reports.items()
        for peer, seen in report.peers.items()
        if seen.verdict != "ok"
    }
    return sorted(pairs)


def _tried(reports: Mapping[str, Report], name: str) -> Iterable[str]:
    return reports[name].peers if name in reports else ()


def _by_node(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one, other in pairs:
        found.setdefault(one, []).append(other)
        found.setdefault(other, []).append(one)
    return found


def _fault(view: MeshView, reports: Mapping[str, Report], one: str, other: str) -> Exception:
    nodes = {node.name: node for node in view.nodes if node.name in (one, other)}
    ends = [_end(nodes[name], nodes[peer], view, reports) for name, peer in ((one, other), (other, one))]
    return fault(*ends, port=view.port, mtu=view.mtu)


def _end(node: Node, peer: Node, view: MeshView, reports: Mapping[str, Report]) -> End:
    report = reports.get(node.name) or Report()
    return End(
        name=node.name,
        key=view.keys[node.name],
        reachable=endpoint(node, seen_from=peer),
        report=report,
        seen=report.peers.get(peer.name),
    )
