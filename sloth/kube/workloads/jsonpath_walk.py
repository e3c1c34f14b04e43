"""The steps of a JSONPath and what they find, as k8s.io/client-go, util/jsonpath does it on decoded JSON."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sloth.errors import UsageError


@dataclass(frozen=True, slots=True)
class Field:
    """`.name`."""

    name: str


@dataclass(frozen=True, slots=True)
class All:
    """`.*`: every value of a map or list."""


@dataclass(frozen=True, slots=True)
class Recursive:
    """`..`: everything below, itself included."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number, a quoted text, true or false."""

    value: Any


@dataclass(frozen=True, slots=True)
class Index:
    """`[first:last:step]`; `single`: `[first]`."""

    first: int | None
    last: int | None
    step: int | None = None
    single: bool = False


@dataclass(frozen=True, slots=True)
class Union:
    """`[a,b]`: what each path finds, one after the other."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """`[?(left compare right)]`; without `compare`: where left finds anything."""

    left: Path
    compare: str = ""
    right: Path = ()


Step: TypeAlias = "Field | All | Recursive | Value | Index | Union | Filter"
Path: TypeAlias = "tuple[Step, ...]"
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def walk(path: Path, values: Sequence[Any]) -> list[Any]:
    """What a path finds from these values. Raises UsageError."""
    found = list(values)
    for step in path:
        found = _step(step, found)
    return found


def _step(step: Step, values: list[Any]) -> list[Any]:
    if isinstance(step, Value):
        return [step.value] * (1 if isinstance(step.value, str) else len(values))  # a text is there whatever was found before
    if isinstance(step, Union):
        return [each for path in step.paths for each in walk(path, values)]
    return [each for value in values for each in _from(step, value)]


def _from(step: Field | All | Recursive | Index | Filter, value: Any) -> list[Any]:
    """What a step finds in one value."""
    if isinstance(step, Field):
        return [value[step.name]] if isinstance(value, dict) and step.name in value else []
    if isinstance(step, All):
        return _inside(value)
    if isinstance(step, Recursive):
        return _below(value)
    if isinstance(step, Index):
        return [] if value is None else _sliced(step, value)
    return _filtered(step, value)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return list(value) if isinstance(value, list) else []


def _below(value: Any) -> list[Any]:
    inner = _inside(value)
    return [value, *(each for one in inner for each in _below(one))] if inner else []


def _sliced(step: Index, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _no(f"{_named(value)} has no index")
    length = len(value)
    first = 0 if step.first is None else step.first + (length if step.first < 0 else 0)
    last = length if step.last is None else step.last
    if last < 0 or (last == 0 and step.single):
        last += length
    if first == last:
        return []
    if not 0 <= first < length or not 0 <= last <= length or first > last:
        raise _no(f"[{'' if step.first is None else step.first}] is out of bounds: there are {length}")
    if step.step is not None and step.step <= 0:
        raise _no("a step is above 0")
    return value[first : last : step.step or 1]


def _filtered(step: Filter, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _no(f"{_named(value)} cannot be filtered")
    return [each for each in value if _passes(step, each)]


def _passes(step: Filter, each: Any) -> bool:
    lefts = walk(step.left, [each])
    if not step.compare:
        return bool(lefts)
    rights = walk(step.right, [each])
    if not lefts or not rights:
        return False
    if len(lefts) > 1 or len(rights) > 1:
        raise _no("one thing is compared with one")
    left, right = lefts[0], rights[0]
    unlike = type(left) is not type(right) or isinstance(left, dict | list) or left is None
    if unlike or (isinstance(left, bool) and step.compare not in ("==", "!=")):
        raise _no(f"{_named(left)} and {_named(right)} cannot be compared")
    return _COMPARE[step.compare](left, right)


def _named(value: Any) -> str:
    names = {dict: "a map", list: "a list", str: "a text", bool: "a truth value", int: "a whole number", float: "a number"}
    return names.get(type(value), "nothing")


def _no(why: str) -> UsageError:
    return UsageError("kube/jsonpath-data", f"the JSONPath does not fit the data: {why}", hint="sloth kube get KIND NAME -o json")
