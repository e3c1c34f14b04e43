"""Objects against the schemas of their kinds: unknown fields, wrong types, what is missing, each with its place in the YAML.

What a schema of Kubernetes may say: kubernetes.io, "Extend the Kubernetes API with CustomResourceDefinitions", Validation.
Patterns and CEL rules are the server's to check, which a dry run asks; here is what can be said without it.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sloth.kube.applying.schemas import Schema
from sloth.kube.wire import Object

Path: TypeAlias = tuple[str | int, ...]
_HEAD = ("apiVersion", "kind", "metadata")
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
}
_A = {
    "object": "a mapping", "array": "a list", "string": "a string", "integer": "a whole number", "number": "a number",
    "boolean": "true or false",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where in the object."""

    path: Path
    what: str


def check(item: Object, schema: Schema) -> list[Finding]:
    """Everything that is wrong with an object, in the order of its fields. Its status is not looked at: the server takes none."""
    fields = {key: value for key, value in item.items() if key != "status"}
    return list(_Check(schema).value(fields, {**schema.resolved(schema.root), "x-kubernetes-embedded-resource": True}, ()))


class _Check:
    def __init__(self, schema: Schema) -> None:
        self._of = schema

    def value(self, value: Any, said: Mapping[str, Any], path: Path) -> Iterator[Finding]:
        """A value against a schema. Nothing is wrong with null: the server takes it for a field that is not there."""
        said = self._of.resolved(said)
        if value is None:
            return
        wrong = _type_wrong(value, said)
        if wrong:
            yield Finding(path, wrong)
            return
        yield from (Finding(path, what) for what in _limits(value, said))
        if isinstance(value, dict):
            yield from self._mapping(value, said, path)
        elif isinstance(value, list):
            yield from (Finding((*path, at), what) for at, what in self._twice(value, said))
            for at, each in enumerate(value):
                yield from self.value(each, said.get("items") or {}, (*path, at))

    def _mapping(self, value: dict[str, Any], said: Mapping[str, Any], path: Path) -> Iterator[Finding]:
        known: Mapping[str, Any] = said.get("properties") or {}
        more = said.get("additionalProperties")
        open_ = bool(more) or not known or said.get("x-kubernetes-preserve-unknown-fields") is True
        head = _HEAD if said.get("x-kubernetes-embedded-resource") else ()
        for name in said.get("required") or ():
            if value.get(name) is None:
                yield Finding(path, f"`{name}` is missing")
        for name, inner in value.items():
            if name in known:
                yield from self.value(inner, known[name], (*path, name))
            elif isinstance(more, Mapping):
                yield from self.value(inner, more, (*path, name))
            elif not open_ and name not in head:
                yield Finding((*path, str(name)), f"there is no field `{name}` here{meant(str(name), known)}")

    def _twice(self, items: list[Any], said: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
        """Items of a list whose keys, or values of a set that, are there already: the server refuses them in an apply."""
        kind, keys = said.get("x-kubernetes-list-type"), said.get("x-kubernetes-list-map-keys") or ()
        fields = self._of.resolved(said.get("items") or {}).get("properties") or {}
        seen = set()
        for at, each in enumerate(items):
            if kind == "map" and isinstance(each, dict):
                mark = tuple(str(each.get(key, fields.get(key, {}).get("default"))) for key in keys)
                words = ", ".join(f"{key}={value}" for key, value in zip(keys, mark, strict=True))
            elif kind == "set":
                mark, words = (json.dumps(each, default=str),), str(each)
            else:
                return
            if mark in seen:
                yield at, f"an item with {words} is there already"
            seen.add(mark)


def meant(name: str, known: Iterable[str]) -> str:
    """`, did you mean …?`, if there is something like it."""
    names = list(known)
    same = [each for each in names if each.lower() == name.lower()]
    close = same or difflib.get_close_matches(name, names, 1, 0.6)
    return f", did you mean `{close[0]}`?" if close else ""


def _type_wrong(value: Any, said: Mapping[str, Any]) -> str:
    """What is wanted instead, if the value is of another type."""
    types = [str(said["type"])] if "type" in said else []
    if said.get("x-kubernetes-int-or-string") or said.get("format") == "int-or-string":
        types = ["integer", "string"]
    elif not types:
        types = [str(each["type"]) for each in said.get("oneOf") or said.get("anyOf") or () if "type" in each]
    if not types or any(_TYPES[name](value) for name in types if name in _TYPES) or not set(types) <= set(_TYPES):
        return ""
    wanted = " or ".join(_A[name] for name in types)
    got = next(word for name, word in _A.items() if _TYPES[name](value))
    quotes = "; put it in quotes" if "string" in types and isinstance(value, (bool, int, float)) else ""
    bare = "; without quotes" if isinstance(value, str) and _reads_as(value, types) else ""
    return f"{wanted} is wanted, and this is {got if not isinstance(value, bool) else str(value).lower()}{quotes}{bare}"


def _reads_as(text: str, types: list[str]) -> bool:
    """Whether a text would be of one of the types if it stood without quotes."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return any(_TYPES[name](found) for name in types if name != "string")


def _limits(value: Any, said: Mapping[str, Any]) -> Iterator[str]:
    """Values that the schema excludes. They are not repeated: they may be a Secret's."""
    if said.get("enum") and value not in said["enum"]:
        yield f"it must be one of {', '.join(str(each) for each in said['enum'])}{meant(str(value), map(str, said['enum']))}"
    number = _TYPES["number"](value)
    if number and "minimum" in said and value < said["minimum"]:
        yield f"it must be at least {said['minimum']}"
    if number and "maximum" in said and value > said["maximum"]:
        yield f"it must be at most {said['maximum']}"
    for low, high, kind, word in (
        ("minLength", "maxLength", str, "characters"),
        ("minItems", "maxItems", list, "items"),
        ("minProperties", "maxProperties", dict, "entries"),
    ):
        if isinstance(value, kind):
            size = len(value)
            if size < said.get(low, 0) or size > said.get(high, size):
                yield f"it must have {said.get(low, 0)} to {said.get(high, 'any number of')} {word}, and has {size}"
    if said.get("format") == "byte" and isinstance(value, str) and not _base64(value):
        yield "it must be base64; `stringData` takes plain text"


def _base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
