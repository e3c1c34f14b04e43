"""Objects in the order of one of their fields, as `kubectl get --sort-by` has it: numbers by size, quantities by what they
mean, other text letter by letter (kubectl reference, `kubectl get`, sorting lists of objects).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sloth.errors import UsageError
from sloth.kube.wire import Object
from sloth.kube.workloads.columns import relaxed
from sloth.kube.workloads.jsonpath_walk import walk
from sloth.kube.workloads.quantity import is_quantity, quantity

T = TypeVar("T")


def ordered(things: Iterable[T], path: str, whole: Callable[[T], Object]) -> list[T]:
    """The things by that field of the object that `whole` gives; those without it first. Raises UsageError: none has it."""
    parts = relaxed(path)
    found = [(_value(parts, whole(each)), each) for each in things]
    if found and all(value is None for value, _ in found):
        raise UsageError(
            "kube/sort-by",
            f"no object has a field {path}",
            hint="sloth kube get KIND NAME --output yaml shows the fields; --sort-by .metadata.creationTimestamp",
        )
    return [each for _, each in sorted(found, key=lambda pair: _key(pair[0]))]


def _value(parts: Any, item: Object) -> Any:
    return next((value for part in parts if isinstance(part, tuple) for value in walk(part, [item])), None)


def _key(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    if isinstance(value, bool | int | float):
        return 1, value
    text = str(value)
    if is_quantity(text):
        return 1, quantity(text)
    return 2, text
