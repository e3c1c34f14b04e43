"""The quorum guard: before anything takes an etcd member out, the arithmetic is told, and a snapshot is saved.

Used by every phase that has a member leave, be it for good (`guard`) or for a while (`guard_pause`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from sloth.contracts.lifecycle import HasEtcd
from sloth.etcd.access import EtcdAccess, addresses
from sloth.etcd.members import Member, at
from sloth.etcd.quorum import Verdict, pause, refusal, take_out, tally
from sloth.etcd.steps import look, remove_member, snapshot
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, Order, Say
from sloth.model.step import Do, Script

Guard = Generator[Order, Any, Sequence[Member]]
_SPARE = 3  # voting members from which on one may be away without the others stopping
WHY = "before-removal"  # in the names of snapshots


def guard(distribution: object, server: Node, names: Sequence[str], cluster: Cluster) -> Guard:
    """Before these nodes leave for good, in this order. Answers their members: none where no etcd is affected.

    Says the sum, saves a snapshot on `server` if a voting member goes. Raises KubernetesError `etcd/quorum`.
    """
    if not isinstance(distribution, HasEtcd):
        return ()
    leaving = yield from guard_removal(distribution, server, names, cluster)
    if any(not member.learner for member in leaving):
        yield _snapshot(distribution.etcd_access(), server)
    return leaving


def guard_removal(distribution: HasEtcd, server: Node, names: Sequence[str], cluster: Cluster) -> Guard:
    """The sum alone, without a snapshot: nothing on the node is changed. Raises KubernetesError `etcd/quorum`."""
    members, leaving = yield from _count(distribution.etcd_access(), server, names, cluster)
    if leaving:
        yield from _judge(take_out(members, leaving), names, members)
    return leaving


def guard_pause(
    distribution: object, server: Node, names: Sequence[str], cluster: Cluster, *, accept: bool = False, hint: str = ""
) -> Guard:
    """Before these nodes are down for a while, all at once. With `accept`, a refusal becomes a warning.

    `hint` = what to type to go on all the same. Raises KubernetesError `etcd/quorum`.
    """
    if not isinstance(distribution, HasEtcd):
        return ()
    members, stopping = yield from _count(distribution.etcd_access(), server, names, cluster)
    if stopping:
        yield from _judge(pause(members, stopping), names, members, accept=accept, hint=hint)
    return stopping


def guard_restart(
    distribution: object, cluster: Cluster, server: Node, stopping: Node | None, *, then: str
) -> Generator[Order, Any, None]:
    """Say the sum and refuse (`etcd/quorum`) unless etcd keeps its majority while `stopping` restarts; None = as it is now.

    Of one or two members none can be spared: then all must be healthy, and the API is away while one restarts. Data is never
    at stake: the member comes back with all it has. `then` = what to type when the others are back.
    """
    if not isinstance(distribution, HasEtcd):
        return
    access = distribution.etcd_access()
    answers = yield Each(title="ask etcd for its members", scripts={server.name: look(access, server, cluster)})
    members: list[Member] = answers[server.name]
    leaving = at(members, [access.peer(stopping.mesh_address)]) if stopping else None
    verdict = pause(members, [leaving] if leaving else [])
    count = tally(members)
    spare = count.voting >= _SPARE
    others = [each for each in members if not each.learner and each is not leaving]
    if not (verdict.allowed if spare else all(each.healthy for each in others)):
        name = stopping.name if stopping else server.name
        what = "the other control-plane nodes" if spare else "all of them"
        raise refusal(verdict, [name], members, hint=f"bring {what} back first: sloth status; then {then}")
    if stopping:
        away = "" if spare else f"; the API is away while {stopping.name} restarts, workloads go on"
        yield Say(text=f"etcd: {verdict.text if spare else count}{away}")


def other_server(node: Node, cluster: Cluster) -> Node:
    """Another working control-plane node to act from; where there is none, the node itself."""
    others = [each for each in cluster.control_plane if each.name != node.name]
    working = [each for each in others if cluster.fact(each.name).get("kube.state") == "joined"]
    return working[0] if working else node


def clear_way(distribution: object, server: Node, node: Node, cluster: Cluster) -> Generator[Order, Any, None]:
    """Before `node` joins: members that an earlier join left behind are taken out.

    etcd has one learner at a time (“Learner”, design of etcd 3.4), so one that was left behind would stop every other join; and a
    host that has no data of its own must not take over a membership that lost it. What a half-made `node` left itself is taken
    back by its own join, if it turns out not to work: the sum is told, and etcd's own check has the last word.
    """
    if not isinstance(distribution, HasEtcd):
        return
    access = distribution.etcd_access()
    found = yield Each(title="look for members left behind", scripts={server.name: look(access, server, cluster)})
    members: list[Member] = found[server.name]
    bare = cluster.fact(node.name).get("kube.state", "none") == "none"
    own = at(members, [access.peer(node.mesh_address)])
    if own and not own.learner and not bare:
        yield from _judge(take_out(members, [own]), [node.name], members, accept=True)
    for member in _left_behind(members, access.peer(node.mesh_address), bare=bare):
        yield from _judge(take_out(members, [member]), [member.label], members)
        if not member.learner:
            yield _snapshot(access, server)
        others = [address for address in addresses(cluster) if access.peer(address) not in member.peers]
        script = _once(remove_member(access, member, others))
        yield Each(title=f"take out {member.label}, left behind by an earlier join", scripts={server.name: script})
        members = [each for each in members if each is not member]


def _left_behind(members: Sequence[Member], own: str, *, bare: bool) -> list[Member]:
    # A member of its own that answers is alive: its join was under way, or came to its end, after the node was inspected.
    return [member for member in members if (bare and not member.answers if own in member.peers else member.learner)]


def _count(
    access: EtcdAccess, server: Node, names: Sequence[str], cluster: Cluster
) -> Generator[Order, Any, tuple[list[Member], list[Member]]]:
    """All members, and those of the named nodes."""
    answers = yield Each(title="count etcd members", scripts={server.name: look(access, server, cluster)})
    members: list[Member] = answers[server.name]
    leases = (*cluster.plan.leases, *cluster.plan.remove, *cluster.record.leases)
    known = {name: [access.peer(lease.mesh_address) for lease in leases if lease.name == name] for name in names}
    return members, [member for name in names if (member := at(members, known[name]))]


def _judge(
    verdict: Verdict, names: Sequence[str], members: Sequence[Member], *, accept: bool = False, hint: str = ""
) -> Generator[Order, Any, None]:
    yield Say(text=f"etcd: {verdict.text}", warning=not verdict.allowed)
    if not verdict.allowed and not accept:
        raise refusal(verdict, names, members, hint=hint)


def _snapshot(access: EtcdAccess, server: Node) -> Each:
    script = _once(snapshot(access, server.mesh_address, WHY))
    return Each(title=f"save a snapshot of etcd on {server.name}", scripts={server.name: script})


def _once(step: Do) -> Script[None]:
    yield step
