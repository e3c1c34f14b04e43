"""Fill in what the user left out: the schema's `default` keywords, and the few defaults that depend on other fields."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from sloth.config.assemble import DEFAULT_PROVIDER, Schema, pool_schema, resolve
from sloth.config.tree import Path


def fill(document: Schema, given: dict[str, Any]) -> frozenset[Path]:
    """Complete a valid spec in place. Returns the paths that were filled in."""
    filled: set[Path] = set()
    _fill(document, document, given, (), filled)
    spec = given["spec"]
    for index, pool in enumerate(spec["pools"]):
        path: Path = ("spec", "pools", index)
        _fill(document, pool_schema(document, str(pool.get("provider", DEFAULT_PROVIDER))), pool, path, filled)
        if "count" not in pool:
            pool["count"] = len(pool["hosts"]) if pool.get("hosts") else 1
            filled.add((*path, "count"))
        _provider_of(document, pool["provider"], spec["providers"], filled)
    return frozenset(filled)


def _provider_of(document: Schema, name: str, providers: dict[str, Any], filled: set[Path]) -> None:
    """Every provider in use has its entry, so that a plugin finds its defaults there."""
    schema = document["properties"]["spec"]["properties"]["providers"]["properties"].get(name)
    if schema is not None and name not in providers:
        providers[name] = {}
        filled.add(("spec", "providers", name))
        _fill(document, schema, providers[name], ("spec", "providers", name), filled)


def _fill(document: Schema, schema: Mapping[str, Any], value: Any, path: Path, filled: set[Path]) -> None:
    schema = resolve(document, schema)
    if isinstance(value, dict):
        for name, declared in schema.get("properties", {}).items():
            child = resolve(document, declared)
            if name not in value and "default" in child:
                value[name] = copy.deepcopy(child["default"])
                filled.add((*path, name))
            if name in value:
                _fill(document, child, value[name], (*path, name), filled)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            _fill(document, schema["items"], item, (*path, index), filled)
