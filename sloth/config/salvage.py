"""Make a wrong spec whole, so that the checks across fields can still run and all problems are reported at once.

What is wrong is left out, what is missing gets a stand-in. Findings that rest on such a place are void (`rests_on`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from sloth.config.assemble import Schema
from sloth.config.explain import Fault
from sloth.config.tree import Path
from sloth.config.validator import faults as find_faults

_ROUNDS = 6  # leaving something out may show the next fault behind it
_POOLS: Path = ("spec", "pools")


def salvage(document: Schema, given: Any, faults: Iterable[Fault]) -> dict[str, Any] | None:
    """A valid spec that is as much of `given` as possible; None if that cannot be had."""
    data = copy.deepcopy(given)
    remaining = list(faults)
    for _ in range(_ROUNDS):
        if not remaining:
            return dict(data)
        for fault in remaining:
            if not fault.path and fault.keyword == "type":
                return None
            _repair(data, fault)
        remaining = find_faults(document, data)
    return None


def rests_on(path: Path, wrong: Iterable[Path]) -> bool:
    """Whether a path is one of the wrong ones, or lies below or above one."""
    return any(path[: len(other)] == other or other[: len(path)] == path for other in wrong)


def _repair(data: Any, fault: Fault) -> None:
    holder = _at(data, fault.path)
    if fault.in_names:
        _leave_out(data, (*fault.path, str(fault.value)))
    elif fault.keyword == "additionalProperties" and isinstance(holder, dict):
        for name in set(holder) - set(fault.schema.get("properties", {})):
            del holder[name]
    elif fault.keyword == "required" and isinstance(holder, dict):
        for name in fault.limit:
            _stand_in(data, holder, fault.path, name)
    else:
        _leave_out(data, fault.path)


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _stand_in(data: Any, holder: dict[str, Any], path: Path, name: str) -> None:
    number = path[-1] if path else 0
    known: dict[str, Any] = {"metadata": {"name": "cluster"}, "spec": {"pools": [_pool(0)]}, "pools": [_pool(0)]}
    if path[:1] == ("metadata",):
        known["name"] = "cluster"
    if path[:2] == _POOLS:
        known |= {"name": f"unnamed-{number}", "role": "worker", "address": f"unnamed-{number}"}
    if name in holder:
        return
    if name in known:
        holder[name] = known[name]
    else:
        _leave_out(data, path)


def _pool(number: int) -> dict[str, Any]:
    return {"name": f"unnamed-{number}", "role": "worker"}


def _leave_out(data: Any, path: Path) -> None:
    if not path:
        return
    holder = _at(data, path[:-1])
    last = path[-1]
    if isinstance(holder, dict):
        holder.pop(str(last), None)
    elif isinstance(holder, list) and path[:-1] == _POOLS and isinstance(last, int) and last < len(holder):
        holder[last] = _pool(last)  # other pools keep their index
    elif isinstance(holder, list):
        _leave_out(data, path[:-1])
