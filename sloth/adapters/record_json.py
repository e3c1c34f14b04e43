"""A record as JSON and back: secrets are marked, so that they come back as secrets; unknown fields are refused.

A field added to the model with a default needs no new schema: older records lack it, and an older sloth refuses the newer
record (`NewerRecord`) instead of dropping what it does not know at its next save.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from sloth.model.node import Lease
from sloth.model.record import NodeRecord, Record
from sloth.model.secret import Secret, mask

_SECRET = "$secret"  # noqa: S105  a marker, not a secret
T = TypeVar("T")


class NewerRecord(Exception):
    """It has fields that this version does not know."""


def dump(record: Record) -> bytes:
    """UTF-8 JSON. Raises TypeError if `providers`, `document` or `runs` hold what JSON cannot."""
    return json.dumps(_plain(record), separators=(",", ":"), sort_keys=True).encode()


def readable(record: Record) -> dict[str, Any]:
    """The record as plain JSON values for people's eyes: every secret is masked."""
    return {field.name: _masked(getattr(record, field.name)) for field in fields(record)}


def parse(text: bytes) -> Record:
    """The record. Raises NewerRecord; ValueError, TypeError or KeyError for anything that is not one."""
    values = _alive(json.loads(text))
    values["leases"] = tuple(_make(Lease, lease) for lease in values["leases"])
    values["nodes"] = {name: _node(node) for name, node in values["nodes"].items()}
    values["runs"] = tuple(values["runs"])
    return _make(Record, values)


def _node(values: dict[str, Any]) -> NodeRecord:
    return _make(NodeRecord, {**values, "host_keys": tuple(values["host_keys"])})


def _make(kind: type[T], values: dict[str, Any]) -> T:
    unknown = set(values) - {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown:
        raise NewerRecord(f"it holds {', '.join(sorted(unknown))}")
    return kind(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return {_SECRET: value.reveal()}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {_escaped(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _masked(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _masked(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return mask(str(value)) if isinstance(value, (str, Secret)) else value


def _escaped(key: str) -> str:
    """A key of the user's own may look like our marker."""
    return f"${key}" if key.startswith("$") else key


def _alive(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_SECRET}:
            return Secret(value[_SECRET])
        return {key[1:] if key.startswith("$$") else key: _alive(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_alive(item) for item in value]
    return value
