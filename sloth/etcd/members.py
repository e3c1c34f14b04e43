"""Who is a member of etcd, from what `etcdctl` says.

Source of the forms: etcdctl/README.md of etcd 3.6, “MEMBER LIST” (simple: ID, status, name, peer URLs, client URLs, learner;
joined by comma and blank, several URLs by comma alone) and “ENDPOINT HEALTH”, “ENDPOINT STATUS” (JSON: one object for each
endpoint).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member. A learner has no vote; one that never started has a vote and cannot use it."""

    id: str  # hexadecimal
    name: str = ""  # the node's name where its address is known, else what etcd calls it; "" while it has not started
    peers: tuple[str, ...] = ()  # URLs
    clients: tuple[str, ...] = ()  # URLs; empty while it has not started
    learner: bool = False
    healthy: bool = False  # it answered a read that needs a majority
    answers: bool = False  # it answered a question about itself, be there a majority or not

    @property
    def label(self) -> str:
        """What a person calls it: never empty."""
        return self.name or next(iter(self.peers), "") or self.id

    @property
    def state(self) -> str:
        """In words, for evidence."""
        if self.learner:
            return "a learner, without a vote"
        if self.healthy:
            return "healthy"
        return "answers, but reaches no majority" if self.answers else "does not answer"


def read_members(listed: str, health: str, status: str = "", names: Mapping[str, str] | None = None) -> list[Member]:
    """Members out of `member list -w simple`, `endpoint health -w json` and `endpoint status -w json`.

    Of the latter two there may be several lists, one a line. What cannot be read counts as not healthy.
    `names`: peer URL -> node, for members of nodes that are known.
    """
    well = {str(each.get("endpoint")) for each in _objects(health) if each.get("health") is True}
    alive = well | {str(each.get("Endpoint")) for each in _objects(status)}
    return [_member(fields, well, alive, names or {}) for fields in map(_fields, listed.splitlines()) if len(fields) == 6]


def at(members: Iterable[Member], peers: Collection[str]) -> Member | None:
    """The member that listens to its peers at one of these URLs."""
    return next((member for member in members if not set(peers).isdisjoint(member.peers)), None)


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split(", ")]


def _member(fields: list[str], well: set[str], alive: set[str], names: Mapping[str, str]) -> Member:
    identity, _status, name, peers, clients, learner = fields
    urls = tuple(filter(None, peers.split(",")))
    reached = set(filter(None, clients.split(",")))
    return Member(
        id=identity,
        name=next((names[url] for url in urls if url in names), name),
        peers=urls,
        clients=tuple(sorted(reached)),
        learner=learner == "true",
        healthy=not reached.isdisjoint(well),
        answers=not reached.isdisjoint(alive),
    )


def _objects(text: str) -> list[dict[str, Any]]:
    """The objects of JSON lists, one list on each line."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        try:
            items = json.loads(line)
        except ValueError:
            continue
        found += [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    return found
