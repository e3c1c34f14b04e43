"""A page of a list whose objects are decoded when they are taken: as JSON they need a fifth of the room that dicts do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from sloth.kube.decode import decoded, loads, members
from sloth.kube.wire import Answer, Object


class _List(msgspec.Struct):
    apiVersion: str = ""
    kind: str = ""
    metadata: dict[str, Any] | None = None
    items: list[msgspec.Raw] | None = None


_DECODER = msgspec.json.Decoder(_List)


def sheaf(answer: Answer) -> tuple[str, Iterator[Object]]:
    """The token that continues the list, and the objects of this page, each with what it is. For one reader, once.

    Raises KubernetesError here, or where an object is taken that has not the form of the API.
    """
    if answer.found is not None:
        meta, items = members(answer.found)
        return str(meta.get("continue") or ""), _whole(answer.found, items)
    found = decoded(_DECODER, answer.body)
    return str((found.metadata or {}).get("continue") or ""), _each(found)


def named(found: Object, items: list[Object]) -> None:
    """Items of a list come without what they are; with it, an item is an object like any other."""
    if str(found.get("kind", "")).endswith("List"):
        head = {"apiVersion": found.get("apiVersion", ""), "kind": found["kind"].removesuffix("List")}
        for item in items:
            for key, value in head.items():
                item.setdefault(key, value)


def _whole(found: Object, items: list[Object]) -> Iterator[Object]:
    named(found, items)
    waiting = items[::-1]
    items.clear()
    while waiting:
        yield waiting.pop()


def _each(found: _List) -> Iterator[Object]:
    what = {"apiVersion": found.apiVersion, "kind": found.kind}
    for raw in found.items or ():
        item = loads(raw)
        members({"items": [item]})
        named(what, [item])
        yield item
