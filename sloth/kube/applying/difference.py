"""What an apply would change, field by field, without what the server itself keeps, and without secret values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sloth.kube.wire import Object

_SERVERS = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_NONE = object()
_KEYS = ("name", "containerPort", "mountPath", "type", "port", "ip", "key")


@dataclass(frozen=True, slots=True)
class Field:
    """One field that differs: its path, and both values as text; empty where there is none."""

    path: str
    before: str
    after: str


def is_secret(item: Object) -> bool:
    """Whether its values are nobody's to see."""
    return item.get("kind") == "Secret" and item.get("apiVersion") == "v1"


def difference(live: Object | None, wanted: Object) -> tuple[Field, ...]:
    """Every leaf that differs. Values of a Secret are told apart by whether they differ only."""
    return tuple(_fields(_bare(live) if live else {}, _bare(wanted), "", is_secret(wanted)))


def fingerprint(live: Object | None, wanted: Object) -> str:
    """SHA-256 of which object it is and what would change in it; hidden values too, so a Secret's is not for other eyes."""
    from sloth.kube.decode import dumps

    fields = () if wanted is live else _fields(_bare(live) if live else {}, _bare(wanted), "", False)
    uid = ((live or {}).get("metadata") or {}).get("uid", "")
    return hashlib.sha256(dumps([uid, [[each.path, each.before, each.after] for each in fields]])).hexdigest()


def _bare(item: Object) -> Object:
    meta = {key: value for key, value in (item.get("metadata") or {}).items() if key not in _SERVERS}
    return {**{key: value for key, value in item.items() if key not in ("status", "apiVersion", "kind")}, "metadata": meta}


def _fields(before: Any, after: Any, path: str, secret: bool) -> Iterator[Field]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from _fields(before.get(key, _NONE), after.get(key, _NONE), f"{path}.{key}" if path else str(key), secret)
    elif isinstance(before, list) and isinstance(after, list) and (key := _key(before, after)):
        old, new = ({each[key]: each for each in items} for items in (before, after))
        for name in dict.fromkeys((*old, *new)):
            yield from _fields(old.get(name, _NONE), new.get(name, _NONE), f"{path}[{name}]", secret)
    elif before != after:
        hidden = (secret and path.split(".", maxsplit=1)[0] in ("data", "stringData")) or "last-applied-configuration" in path
        yield Field(path, _text(before, hidden), _text(after, hidden))


def _key(before: list[Any], after: list[Any]) -> str:
    """A field by which the items of both lists are told apart, so that one more item is not shown as all of them changed."""
    both = [*before, *after]
    if not all(isinstance(each, dict) for each in both):
        return ""
    for key in _KEYS:
        if all(isinstance(each.get(key), (str, int)) for each in both) and all(
            len({each[key] for each in items}) == len(items) for items in (before, after)
        ):
            return key
    return ""


def _text(value: Any, hidden: bool) -> str:
    if value is _NONE:
        return ""
    if hidden:
        return "***"
    if isinstance(value, (dict, list)):
        import json

        return json.dumps(value, ensure_ascii=False)
    return str(value)
