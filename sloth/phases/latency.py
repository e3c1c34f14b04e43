"""Phase: how far apart control-plane nodes are, before etcd has to live with it.

etcd's tuning guide (etcd.io/docs/v3.6/tuning): the election timeout should be at least ten times the round-trip time between
members; by default it is 1000 ms, which allows 100 ms. Each write waits for a round trip to a majority of the members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from shlex import quote

from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun, Say
from sloth.model.step import Ask, Result, Script

NOTICED = 10.0  # milliseconds: from there on every write to the API is felt to be slower; within one region it is less
ELECTION = 1000.0  # milliseconds; etcd's default
HEARTBEAT = 100.0  # milliseconds; etcd's default
_TIMES = 10  # round trips that must fit into the election timeout
_REGION, _ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"

Measured = Mapping[tuple[str, str], float]  # pair of nodes -> average round trip, milliseconds


@dataclass(frozen=True)
class Latency:
    """Asked only where control-plane nodes are in more than one place, and only for nodes that are no members yet."""

    title: str = "Latency"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Round trips between members to be and all members. Raises KubernetesError where etcd could not work."""
        servers = cluster.control_plane
        if len({place(node) for node in servers}) > 1:
            new = [node for node in servers if cluster.fact(node.name).get("kube.state") != "joined"]
            scripts = {node.name: _ask(node, [peer for peer in servers if peer is not node]) for node in new}
            answers: Mapping[str, Mapping[str, float] | None] = yield Each(title="measure round trips", scripts=scripts)
            found = {(node, peer): time for node, times in answers.items() for peer, time in (times or {}).items()}
            for text in judge(found, _milliseconds(cluster, "election-timeout", ELECTION)):
                yield Say(text=text, warning=True)
        return cluster


def place(node: Node) -> tuple[str, str, str]:
    """Where a node is: provider, region, zone."""
    return (node.lease.provider, node.labels.get(_REGION, ""), node.labels.get(_ZONE, ""))


def _milliseconds(cluster: Cluster, flag: str, default: float) -> float:
    given = cluster.spec.kubernetes.args.get("etcd", {}).get(flag, "")
    return float(given) if given.isdigit() else default


def _ask(node: Node, peers: Sequence[Node]) -> Script[Mapping[str, float] | None]:
    """Average round trips by peer; None where they could only be guessed."""
    words = " ".join(quote(f"{peer.name}={peer.mesh_address}") for peer in peers)
    result = yield Ask(
        title="ping control-plane nodes",
        run=f"for peer in {words}; do "
        'echo "${peer%%=*} $(ping -n -q -c 3 -i 0.2 -w 5 "${peer#*=}" | tail -n 1)" & done; wait',
        check=False,
    )
    assert isinstance(result, Result)  # noqa: S101  one step, one result
    return None if result.predicted else parse(result.out)


def parse(output: str) -> dict[str, float]:
    """Peer -> average round trip in milliseconds, of lines such as `cp-2 rtt min/avg/max/mdev = 0.1/0.2/0.3/0.0 ms`."""
    found = {}
    for line in output.splitlines():
        name, _, rest = line.partition(" ")
        words, _, values = rest.partition(" = ")
        if "min/avg/max" in words:
            found[name] = float(values.split("/")[1])
    return found


def judge(measured: Measured, election: float) -> list[str]:
    """Warnings about pairs that are far apart. `election` = etcd's election timeout, milliseconds. Raises KubernetesError."""
    slow = sorted(((time, pair) for pair, time in _pairs(measured).items() if time > NOTICED), reverse=True)
    lines = [f"{one} and {other}: {time:.0f} ms" for time, (one, other) in slow]
    if not slow:
        return []
    worst, (one, other) = slow[0]
    if worst * _TIMES > election:
        beat = max(HEARTBEAT, ceil(worst / 50) * 50)
        raise KubernetesError(
            "etcd/latency",
            f"{one} and {other} are {worst:.0f} ms apart; etcd bears {election / _TIMES:.0f} ms "
            f"with its election timeout of {election:.0f} ms",
            detail="\n".join(lines),
            where=f"{one} {other}",
            hint="put control-plane pools nearer to each other, or set spec.kubernetes.etcd.args to "
            f'{{heartbeat-interval: "{beat:.0f}", election-timeout: "{beat * _TIMES:.0f}"}}',
        )
    return [f"control-plane nodes are far apart, so every change in the cluster takes that long: {'; '.join(lines)}"]


def _pairs(measured: Measured) -> dict[tuple[str, str], float]:
    """Each pair once, with the longer of the two times."""
    found: dict[tuple[str, str], float] = {}
    for (one, other), time in measured.items():
        pair = (min(one, other), max(one, other))
        found[pair] = max(time, found.get(pair, 0.0))
    return found
