"""What is not as a saved plan says: in the spec, the record, the machines, or in what there is to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sloth.model.plan import SavedPlan, title_of

_NAMED = 3  # nodes of a line that are named
Survey = Mapping[str, Mapping[str, Mapping[str, Any]]]  # provider -> node -> id, running


def moved_inputs(then: SavedPlan, now: SavedPlan) -> list[str]:
    """What can be told without asking anybody: version, spec, lock file, record."""
    found = []
    if then.sloth != now.sloth:
        found.append(f"sloth: the plan was made by {then.sloth}, this is {now.sloth}")
    found += [f"spec: {path} {how}" for path, how in _differences(then.spec, now.spec)]
    if then.kubernetes != now.kubernetes:
        found.append(f"Kubernetes: {then.kubernetes} was planned, it would be {now.kubernetes} now")
    if then.artifacts != now.artifacts:
        found.append(
            "artifacts: sloth.lock " + ("is new" if not then.artifacts else "has changed" if now.artifacts else "is gone")
        )
    if then.revision != now.revision:
        found.append(f"record: revision {then.revision} was planned with, it is {now.revision} now: another run came between")
    return found


def moved(then: SavedPlan, now: SavedPlan) -> list[str]:
    """All that is not as it was, in words: first the causes, then what they change in the plan."""
    return [*moved_inputs(then, now), *moved_world(then.world, now.world), *moved_plan(then.plan, now.plan)]


def moved_world(then: Survey, now: Survey) -> list[str]:
    """Machines that came, went, are others, or were started or stopped."""
    return [
        line for provider in sorted({*then, *now}) for line in _machines(provider, then.get(provider, {}), now.get(provider, {}))
    ]


def _machines(provider: str, then: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in sorted({*then, *now}):
        was, is_ = then.get(name), now.get(name)
        if was is None or is_ is None:
            yield f"machine {name} ({provider}): {'is there now' if was is None else 'is gone'}"
        elif was["id"] != is_["id"]:
            yield f"machine {name} ({provider}): is another one, {was['id']} then and {is_['id']} now"
        elif was["running"] != is_["running"]:
            yield f"machine {name} ({provider}): {'runs now' if is_['running'] else 'does not run any more'}"


def moved_plan(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What there is to do now and was not then, and the other way round; a step of many nodes is one line."""
    found = []
    for how, one, other in (
        ("to be done now, not in the plan", now, then),
        ("in the plan, not to be done now", then, now),
    ):
        extra = Counter(_things(one))
        extra.subtract(Counter(_things(other)))
        nodes: dict[str, list[str]] = {}
        for (thing, node), count in extra.items():
            if count > 0:
                nodes.setdefault(thing, []).append(node)
        found += [f"{thing}{_on(names)}: {how}" for thing, names in nodes.items()]
    return found


def _on(nodes: Sequence[str]) -> str:
    names = [node for node in nodes if node]
    more = f" and {len(names) - _NAMED} more nodes" if len(names) > _NAMED else ""
    return f" on {', '.join(names[:_NAMED])}{more}" if names else ""


def _things(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a plan consists of: each thing, and the node it is done on."""
    machines = set()
    for change in plan["machines"]:
        machines.add((change["node"], title_of(change["action"], change["kind"], change["name"])))
        why = f" because of {', '.join(change['cause'])}" if change["cause"] else ""
        more = f" ({change['detail']})" if change["detail"] else ""
        yield f"{change['action']} {change['kind']} {change['name']} at {change['provider']}{more}{why}", ""
    for step in plan["steps"]:
        if (step["node"], step["title"]) not in machines:
            yield f"{step['phase']}: {step['title']}", step["node"]
    for lease in plan["leases"]:
        yield f"{lease['node']} as {lease['role']} at {lease['provider']} with {lease['mesh']} and {lease['pods']}", ""


def _differences(then: Mapping[str, str], now: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for path in sorted({*then, *now}):
        if then.get(path) != now.get(path):
            yield path, "is new" if path not in then else "is gone" if path not in now else "has another value"
