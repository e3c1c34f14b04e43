"""Whether an apply would change nothing, proved from the object alone, so that the server need not be asked.

The server records which fields each manager applied (`metadata.managedFields`, in the form FieldsV1 of
kubernetes-sigs/structured-merge-diff: `f:` a field, `k:` an item of a list by its keys, `v:` a value of a set, `.` the thing
itself, `{}` a leaf). If the fields that we applied last are those of the manifest, and each still has the manifest's value, then
applying the manifest is what it was then: nothing. Whatever is not proved so counts as not known, and the server is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sloth.kube.wire import Object

_IDENTITY = ("name", "namespace")  # no manager owns these
_NONE = object()


def unchanged(item: Object, live: Object, manager: str) -> bool:
    """Whether `manager` applied just this, and it still is so."""
    meta = live.get("metadata") or {}
    entries = [
        each
        for each in meta.get("managedFields") or ()
        if (each.get("manager"), each.get("operation"), each.get("subresource", "")) == (manager, "Apply", "")
    ]
    if len(entries) != 1 or meta.get("deletionTimestamp") or entries[0].get("apiVersion") != item.get("apiVersion"):
        return False
    ours = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata")}
    labelled = {key: value for key, value in item["metadata"].items() if key not in _IDENTITY}
    if labelled:
        ours["metadata"] = labelled
    return _proved(ours, entries[0].get("fieldsV1"), live)


def _proved(value: Any, owned: Any, live: Any) -> bool:
    """Whether `owned` is all of `value` and nothing else, and `live` has the same."""
    if not isinstance(owned, Mapping):
        return False
    if not owned:
        return _same(value, live)
    parts = [key for key in owned if key != "."]
    if isinstance(value, dict) and isinstance(live, dict):
        return {f"f:{key}" for key in value} == set(parts) and all(
            _proved(inner, owned[f"f:{key}"], live.get(key, _NONE)) for key, inner in value.items()
        )
    if isinstance(value, list) and isinstance(live, list) and len(parts) == len(value):
        return all(_item_proved(part, value, owned[part], live) for part in parts)
    return False


def _item_proved(part: str, value: list[Any], owned: Any, live: list[Any]) -> bool:
    """The same for the item of a list that has these keys, or for a value of a set."""
    try:
        wanted = json.loads(part[2:])
    except ValueError:
        return False
    if part.startswith("v:"):
        return any(_same(each, wanted) for each in value) and any(_same(each, wanted) for each in live)
    if not part.startswith("k:") or not isinstance(wanted, dict):
        return False
    # The manifest may leave a key to its default (the protocol of a port); what the server has, has all of them.
    ours = [each for each in value if isinstance(each, dict) and all(each.get(key, has) == has for key, has in wanted.items())]
    theirs = [each for each in live if isinstance(each, dict) and all(each.get(key, _NONE) == has for key, has in wanted.items())]
    return len(ours) == len(theirs) == 1 and _proved(ours[0], owned, theirs[0])


def _same(value: Any, live: Any) -> bool:
    """Equal as JSON: true is not 1 there."""
    if isinstance(value, dict) and isinstance(live, dict):
        return value.keys() == live.keys() and all(_same(inner, live[key]) for key, inner in value.items())
    if isinstance(value, list) and isinstance(live, list):
        return len(value) == len(live) and all(_same(one, other) for one, other in zip(value, live, strict=True))
    return value is not None and type(value) is type(live) and bool(value == live)
