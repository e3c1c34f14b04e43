"""etcd: who is a member, who leads, whether a majority is there, and how much room is left.

Answers are those of `etcdctl member list -w json` and `etcdctl endpoint status --cluster -w json` (etcd.io, "Interacting with
etcd"; fields as in etcd's api/etcdserverpb/rpc.proto: MemberListResponse, StatusResponse).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sloth.health.damage import damage
from sloth.health.finding import Finding, critical, healthy, unknown, warning
from sloth.health.view import MEMBERS, STATUS, WORDS, View

QUOTA = 2 << 30  # bytes: etcd's default --quota-backend-bytes, above which it takes no more writes
FULL = 80  # percent of the quota in use


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member as the members' list has it, and what it said of itself."""

    id: int
    name: str  # "" while it has not started
    learner: bool = False
    peers: tuple[str, ...] = ()  # URLs
    answered: bool = False
    leader: int = 0  # whom it takes for the leader; 0 = nobody
    term: int = 0
    in_use: int = 0  # bytes
    errors: tuple[str, ...] = ()  # alarms among them


def members(view: View) -> tuple[Member, ...]:
    """Members as far as any control-plane node knows them: the view in which most of them answered."""
    statuses = dict(view.spoken(STATUS))
    lists = dict(view.spoken(MEMBERS))
    best: tuple[Member, ...] = ()
    for node in dict.fromkeys([*lists, *statuses]):
        found = _members(lists.get(node) or next(iter(lists.values()), ""), statuses.get(node, ""))
        if sum(each.answered for each in found) > sum(each.answered for each in best) or not best:
            best = found
    return best


def _members(listed: str, status: str) -> tuple[Member, ...]:
    said = {each["header"].get("member_id"): each for each in _statuses(status)}
    known = {_number(each.get("ID")): each for each in _documents(listed, "members")}
    ids = list(known) or [each for each in said if each]
    return tuple(_member(each, known.get(each, {}), said.get(each)) for each in ids)


def _member(number: int, known: Mapping[str, Any], said: Mapping[str, Any] | None) -> Member:
    return Member(
        id=number,
        name=str(known.get("name", "")),
        learner=bool(known.get("isLearner")),
        peers=tuple(known.get("peerURLs", ())),
        answered=said is not None,
        leader=_number(said.get("leader")) if said else 0,
        term=_number(said.get("raftTerm")) if said else 0,
        in_use=_number(said.get("dbSizeInUse") or said.get("dbSize")) if said else 0,
        errors=tuple(map(str, said.get("errors") or ())) if said else (),
    )


def _statuses(text: str) -> list[dict[str, Any]]:
    found = [each["Status"] for each in _list(text) if isinstance(each, dict) and isinstance(each.get("Status"), dict)]
    return [each for each in found if isinstance(each.get("header"), dict)]


def _documents(text: str, key: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(text or "{}")
    except ValueError:
        return []
    listed = document.get(key, ()) if isinstance(document, dict) else ()
    return [each for each in listed if isinstance(each, dict)]


def _list(text: str) -> list[Any]:
    try:
        document = json.loads(text or "[]")
    except ValueError:
        return []
    return document if isinstance(document, list) else []


def _number(value: Any) -> int:
    return int(value) if isinstance(value, (int, str)) and str(value).isdigit() else 0


def standing(view: View) -> frozenset[str]:
    """Nodes whose own member answers them, be there a majority or not."""
    own = {lease.name: lease.mesh_address for lease in view.servers}
    return frozenset(
        name
        for name, said in view.spoken(STATUS)
        if own[name] in {_host(str(each.get("Endpoint", ""))) for each in _list(said) if isinstance(each, dict)}
    )


def at(found: tuple[Member, ...], address: str) -> Member | None:
    """The member that listens to its peers at that mesh address."""
    return next((each for each in found if address in {_host(url) for url in each.peers}), None)


def leader(view: View) -> str:
    """Name of the member that leads, as most of them see it; "" = none is known."""
    found = members(view)
    names = {each.id: each.name for each in found}
    seen = [each.leader for each in found if each.leader]
    return names.get(max(set(seen), key=seen.count), "") if seen else ""


def etcd(view: View) -> Iterator[Finding]:
    """Each control-plane node has a voting member that answers; there is one leader; nothing is full."""
    if not view.etcd:
        return
    found = members(view)
    if not any(each.answered for each in found):
        yield unknown("etcd", "", "no control-plane node could say anything about etcd", "sloth recover")
        return
    yield from _leader(found, leader(view))
    yield from _majority(found)
    said = {lease.mesh_address: damage(view.fact(lease.name).get(WORDS)) for lease in view.servers}
    for each in found:
        yield from _one(each, next(filter(None, (said.get(_host(url), "") for url in each.peers)), ""))
    yield from _strangers(view, found)


def _strangers(view: View, found: tuple[Member, ...]) -> Iterator[Finding]:
    """Nodes without a member, and members without a node: told by address, for names are the distribution's affair."""
    ours = {lease.mesh_address: lease.name for lease in view.servers}
    there = {_host(url) for each in found for url in each.peers}
    for address, name in ours.items():
        if there and address not in there and view.fact(name).get("kube.state") == "joined":
            yield critical("etcd", name, "it is a control-plane node and has no etcd member", "sloth recover")
    for each in found:
        if each.peers and not {_host(url) for url in each.peers} & set(ours):
            name = each.name or f"{each.id:x}"
            yield warning("etcd", name, "etcd has a member that is on no node of this cluster", "sloth recover")


def _host(url: str) -> str:
    return url.rpartition("//")[2].rpartition(":")[0]


def _leader(found: tuple[Member, ...], name: str) -> Iterator[Finding]:
    newest = max(each.term for each in found)
    leaders = {each.leader for each in found if each.answered and each.term == newest and each.leader}
    if not leaders:
        yield critical("etcd", "", "etcd has no leader: nothing can be written", "sloth recover")
    elif len(leaders) > 1:
        yield critical("etcd", "", f"members name {len(leaders)} leaders in one term", "sloth recover")
    else:
        yield healthy("etcd", "", f"{name or 'a member without a name'} leads {len(found)} members")


def _majority(found: tuple[Member, ...]) -> Iterator[Finding]:
    voters = [each for each in found if not each.learner]
    well = sum(each.answered for each in voters)
    needed = len(voters) // 2 + 1
    if well < needed:
        yield critical("etcd", "", f"{well} of {len(voters)} members answer, {needed} are needed for a majority", "sloth recover")
    elif len(voters) > 2 and well == needed:
        yield warning("etcd", "", f"{well} of {len(voters)} members answer: with one less there is no majority", "sloth recover")


def _one(each: Member, damaged: str) -> Iterator[Finding]:
    name = each.name or f"{each.id:x}"
    if not each.answered:
        why = f": its data is damaged (“{damaged}”)" if damaged else ""
        yield critical("etcd", name, f"this member does not answer{why}", "sloth recover")
    elif each.learner:
        yield warning("etcd", name, "this member is still a learner: it has no vote", "sloth up")
    elif each.errors:
        yield critical("etcd", name, f"this member reports {'; '.join(each.errors)}", "etcdctl alarm list on the node")
    elif each.in_use * 100 > QUOTA * FULL:
        text = f"its data takes {each.in_use >> 20} of {QUOTA >> 20} MiB: above that it takes no more writes"
        yield warning("etcd", name, text, "kubectl get --raw /metrics | grep apiserver_storage_objects")
    else:
        yield healthy("etcd", name, "answers")
