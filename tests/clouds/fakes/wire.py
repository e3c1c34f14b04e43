"""The engine's wire format as plain values, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
MASK = "[secret]"


def plain(message: Any) -> dict[str, Any]:
    """A Struct as plain values: secrets taken out of their wrapping, whole numbers as int."""
    return {key: _plain(value) for key, value in json_format.MessageToDict(message).items() if value is not None}


def masked(message: Any) -> dict[str, Any]:
    """A Struct as plain values, secrets as a mask: for records of calls."""
    return {key: _masked(value) for key, value in json_format.MessageToDict(message).items()}


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Plain values as a Struct."""
    return json_format.ParseDict(_without_none(values), struct_pb2.Struct())


def without(values: Any, path: str) -> Any:
    """A copy that has nothing at the path."""
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]")
    if not path or not isinstance(values, Mapping) or name not in values:
        return values
    kept = {key: value for key, value in values.items() if key != name}
    if not rest:
        return kept
    inner = values[name]
    return {**kept, name: [without(each, rest) for each in inner] if head.endswith("[]") else without(inner, rest)}


def at(values: Any, path: str) -> Iterator[Any]:
    """Every value at a path such as `network`, `firewallIds[]` or `interfaces[].subnet`."""
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]")
    found = values.get(name) if isinstance(values, Mapping) else None
    items = found or [] if head.endswith("[]") else [found]
    for item in items:
        if item is not None:
            yield from at(item, rest) if rest else [item]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return _plain(value.get("value"))
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MASK if SIGNATURE in value else {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, (list, tuple, set, frozenset)) else value
