"""Pairs of nodes in the mesh: pinged in this look, and when they last shook hands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from sloth.health.finding import Finding, critical, healthy, unknown
from sloth.health.view import View

SAMPLE = 50  # a node pings so many of its peers in one look (templates/mesh/sloth-mesh)
FRESH = 180  # seconds: WireGuard begins a new session after two minutes of use and rejects one older than three (its paper, 6.1)
_SILENT = "mesh.silent."
# Prints `mesh.seen.PEER=SECONDS` since the last handshake with that peer; -1 = never.
PROBE = r"""now=$(date +%s)
wg show wg0 latest-handshakes 2>/dev/null | while read -r key when; do
  file=$(grep -lF "$key" /etc/wireguard/peers.d/*.conf 2>/dev/null | head -n 1)
  [ -n "$file" ] || continue
  file=${file##*/}
  [ "$when" = 0 ] && age=-1 || age=$((now - when))
  echo "mesh.seen.${file%.conf}=$age"
done
"""


def mesh(view: View) -> Iterator[Finding]:
    """The mesh of each node is what its files say, and no pair is silent."""
    for name in view.names:
        yield from _node(view, name)
    if len(view.names) > 1:
        yield from _pairs(view)


def _node(view: View, name: str) -> Iterator[Finding]:
    fact = view.fact(name)
    if not view.answered(name):
        yield unknown("mesh", name, "not read: the node does not answer", f"sloth ssh {name}")
    elif not fact.get("mesh.public_key"):
        yield critical("mesh", name, "it has no mesh interface and no mesh key", "sloth up")
    elif fact.get("mesh.applied") != "ok":
        yield critical("mesh", name, "what is in force in its mesh is not what its files say", "sloth up")


def _pairs(view: View) -> Iterator[Finding]:
    """Each pair once, by what either end said. A pair that neither end pinged or met lately is not known."""
    counts = {"ok": 0, "untried": 0}
    for one, other in combinations(view.names, 2):
        ends = [(a, b) for a, b in ((one, other), (other, one)) if view.fact(a).get("mesh.applied") == "ok"]
        silent = [a for a, b in ends if view.fact(a).get(_SILENT + b)]
        if silent:
            summary = f"{_others(silent[0], one, other)} does not answer {silent[0]} in the mesh{_age(view, one, other)}"
            yield critical(
                "mesh", f"{one} {other}", summary, f"sloth ssh {silent[0]} -- sloth-mesh check {_others(silent[0], one, other)}"
            )
        elif any(_tried(view, a, b) for a, b in ends):
            counts["ok"] += 1
        else:
            counts["untried"] += 1
    if counts["ok"]:
        rest = f"; {counts['untried']} were not tried in this look" if counts["untried"] else ""
        yield healthy("mesh", "", f"pairs of nodes that reach each other: {counts['ok']}{rest}")
    elif counts["untried"]:
        yield unknown("mesh", "", f"none of {counts['untried']} pairs of nodes could be tried", "sloth health")


def pairs(view: View) -> list[dict[str, Any]]:
    """A row for each pair, where every node pings all others: does it answer, and seconds since its last handshake."""
    if len(view.names) - 1 > SAMPLE:
        return []
    rows = []
    for one, other in combinations(view.names, 2):
        ends = [(a, b) for a, b in ((one, other), (other, one)) if view.fact(a).get("mesh.applied") == "ok"]
        ages = _ages(view, one, other)
        answers = not any(view.fact(a).get(_SILENT + b) for a, b in ends) if ends else None
        rows.append({"nodes": [one, other], "answers": answers, "handshake": min(ages) if ages else None})
    return rows


def _ages(view: View, one: str, other: str) -> list[int]:
    """Seconds since a handshake, as either end has it; none where they never met."""
    said = [view.fact(a).get(f"mesh.seen.{b}") for a, b in ((one, other), (other, one))]
    return [int(age) for age in said if age.isdigit()]


def _tried(view: View, node: str, peer: str) -> bool:
    """Whether this end knows that its peer answered: it pings all of them where there are few, else it may have met lately."""
    if len(view.names) - 1 <= SAMPLE:
        return True
    age = view.fact(node).get(f"mesh.seen.{peer}")
    return age.isdigit() and int(age) <= FRESH


def _others(name: str, one: str, other: str) -> str:
    return other if name == one else one


def _age(view: View, one: str, other: str) -> str:
    ages = _ages(view, one, other)
    if ages:
        return f"; their last handshake was {min(ages)} s ago"
    never = any(view.fact(a).get(f"mesh.seen.{b}") == "-1" for a, b in ((one, other), (other, one)))
    return "; they never shook hands" if never else ""
