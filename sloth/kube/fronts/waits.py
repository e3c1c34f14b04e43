"""Waiting until objects are as they should be: ready by the rules of kstatus, a condition, gone, or what a function says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from sloth.errors import KubernetesError
from sloth.kube.api import Api
from sloth.kube.kstatus import conditions
from sloth.kube.resource import Resource
from sloth.kube.waiting import wait_current
from sloth.kube.wire import Call, Object, Pause
from sloth.kube.workloads.deleting import Target, wait_gone
from sloth.kube.workloads.listing import looked_up

EVERY = 1.0  # seconds between two looks
Until: TypeAlias = str | Callable[[Object], bool]
"""`""`: ready (kstatus); `Ready`, `Ready=False`: that condition; `delete`: gone; what kubectl's `--for` takes; or a function."""


def wait(
    api: Api, kind: str | Resource, names: Sequence[str], namespace: str | None = None, *, until: Until = "",
    seconds: float = 300.0, every: float = EVERY,
) -> Call[list[Object]]:  # fmt: skip
    """Look until it is so of all of them: the objects as they are then; those that are gone are left out.

    `seconds` counts the pauses between looks. Raises KubernetesError with the state of each that is not, ApiError.
    """
    resource = yield from api.kinds.find(kind)
    place = api.place(resource, namespace)
    targets = [(resource, place, name) for name in names]
    if until == "delete":
        there = yield from looked_up(targets)
        gone = [Target(resource, place, item["metadata"]["name"], item["metadata"]["uid"]) for item in there if item]
        yield from wait_gone(gone, seconds, every)
        return []
    if until == "":
        yield from wait_current(api, targets, seconds)
        return [item for item in (yield from looked_up(targets)) if item]
    return (yield from until_so(targets, until, seconds, every))


def until_so(targets: Sequence[tuple[Resource, str, str]], until: Until, seconds: float, every: float) -> Call[list[Object]]:
    """The same of (resource, namespace, name) of any kinds; not for `delete`. Raises KubernetesError, ApiError."""
    holds = _holds(until)
    looks = max(1, round(seconds / every) + 1)
    for look in range(looks):
        items = yield from looked_up(targets)
        left = [(target, item) for target, item in zip(targets, items, strict=True) if item is None or not holds(item)]
        if not left:
            break
        if look == looks - 1:
            raise _not_so(left, until, seconds)
        yield Pause(every)
    return [item for item in items if item]


def _holds(until: Until) -> Callable[[Object], bool]:
    if callable(until):
        return until
    if until.partition("=")[0].lower() in ("condition", "jsonpath", "create"):
        from sloth.kube.workloads.awaited import wanted

        return wanted(until).holds
    return lambda item: condition_is(item, until)


def condition_is(item: Object, wanted: str) -> bool:
    """`Ready` or `Ready=False`, in any case of letters; what was said of an older generation does not count."""
    name, _, value = wanted.partition("=")
    found = next((each for key, each in conditions(item).items() if key.lower() == name.lower()), None)
    if found is None:
        return False
    seen = found.get("observedGeneration") or (item.get("status") or {}).get("observedGeneration")
    if seen is not None and seen < (item["metadata"].get("generation") or 0):
        return False
    return str(found.get("status", "")).lower() == (value or "True").lower()


def _not_so(left: Sequence[tuple[tuple[Resource, str, str], Object | None]], until: Until, seconds: float) -> KubernetesError:
    lines = []
    for (resource, place, name), item in left:
        where = "/".join(part for part in (place, name) if part)
        lines.append(f"{resource.kind} {where}: {'it is not there' if item is None else _said(item)}")
    first, place, name = left[0][0]
    what = f"`{until}`" if isinstance(until, str) else "what was waited for"
    return KubernetesError(
        "kube/not-so",
        f"{what} is not so of {len(left)} objects after {seconds:g} s",
        detail="\n".join(lines),
        hint=f"sloth kube describe {first.plural} {name}{f' --namespace {place}' if place else ''}",
    )


def _said(item: Object) -> str:
    """Its conditions in words."""
    words = [f"{name} is {each.get('status')}{_why(each)}" for name, each in conditions(item).items()]
    return ", ".join(words) or "it has no conditions"


def _why(condition: Object | object) -> str:
    reason = condition.get("reason") if isinstance(condition, dict) else ""
    return f" ({reason})" if reason else ""
