"""The JSON Schema of a spec, put together from `schema/cluster.json` and what the plugins declare."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from sloth import registry

Schema = dict[str, Any]
DEFAULT_PROVIDER = "local"
_OWN_KEYS = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "title",
    "description",
    "$schema",
    "$defs",
    "default",
    "examples",
}


@cache
def _core_text() -> str:
    return files("sloth.config").joinpath("schema/cluster.json").read_text("utf-8")


def core() -> Schema:
    """A fresh copy of the schema without any plugin."""
    document: Schema = json.loads(_core_text())
    return document


def assemble(providers: Iterable[str], distributions: Iterable[str]) -> Schema:
    """The schema with the fields of these plugins; other plugins are known by name only and are not imported."""
    document = core()
    pool = document["$defs"]["pool"]
    spec = document["properties"]["spec"]["properties"]
    _choices(pool["properties"]["provider"], registry.names("providers"))
    _choices(spec["kubernetes"]["properties"]["distribution"], registry.names("distributions"))
    spec["providers"]["properties"] = {name: {"type": "object"} for name in registry.names("providers")}
    branches = []
    for name in providers:
        declared = registry.provider(name).options_schema()
        spec["providers"]["properties"][name] = _provider(name, declared, document)
        branches.append(_branch(name, _pool(pool, declared, document)))
    document["$defs"]["pool"] = _dispatch(pool, branches)
    for name in distributions:
        _distribution(spec["kubernetes"], registry.distribution(name).options_schema(), document)
    return document


def pool_schema(document: Schema, provider: str) -> Schema:
    """The schema of a pool of that provider, as `assemble` put it together; the common fields for an unknown provider."""
    pool: Schema = document["$defs"]["pool"]
    for branch in pool["allOf"]:
        if provider in branch["x-provider"]:
            return dict(branch["then"])
    return dict(pool["x-common"])


def own_pool_fields(document: Schema, provider: str) -> frozenset[str]:
    """Names of the pool fields that only this provider has."""
    common = document["$defs"]["pool"]["x-common"]["properties"]
    return frozenset(pool_schema(document, provider)["properties"]) - frozenset(common)


def resolve(document: Schema, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """`node` with its `$ref` (always to `#/$defs/NAME`) followed; its own keywords win."""
    if "$ref" not in node:
        return node
    target = document["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return {**resolve(document, target), **{key: value for key, value in node.items() if key != "$ref"}}


def published(document: Schema) -> Schema:
    """The schema without the keywords that only sloth itself reads."""
    if isinstance(document, dict):
        return {key: published(value) for key, value in document.items() if key not in ("x-provider", "x-common")}
    return [published(item) for item in document] if isinstance(document, list) else document


def _choices(node: Schema, names: Iterable[str]) -> None:
    node["enum"] = list(names)


def _provider(name: str, declared: Mapping[str, Any], document: Schema) -> Schema:
    options = _hoisted(declared.get("provider") or {}, document)
    return {
        "title": f"Provider {name}",
        "description": f"Options of provider `{name}`.",
        **options,
        "type": "object",
        "properties": options.get("properties", {}),
        "additionalProperties": False,
    }


def _pool(common: Schema, declared: Mapping[str, Any], document: Schema) -> Schema:
    options = _hoisted(declared.get("pool") or {}, document)
    pool = copy.deepcopy(common)
    # A provider may describe a common field in its own words (`hosts`, `count`): the common definition stays in force.
    pool["properties"] = {**options.get("properties", {}), **pool["properties"]}
    pool["required"] = [*pool["required"], *(name for name in options.get("required", ()) if name not in pool["required"])]
    further = {key: value for key, value in options.items() if key not in _OWN_KEYS}
    if further:
        pool["allOf"] = [further]
    return pool


def _branch(name: str, schema: Schema) -> Schema:
    chosen: Schema = {"properties": {"provider": {"const": name}}}
    if name != DEFAULT_PROVIDER:
        chosen["required"] = ["provider"]
    return {"x-provider": [name], "if": chosen, "then": schema}


def _dispatch(common: Schema, branches: list[Schema]) -> Schema:
    """A pool is checked by the schema of its provider, so that another provider's fields are unknown keys."""
    return {
        "type": "object",
        "title": common["title"],
        "description": common["description"],
        "properties": {"provider": common["properties"]["provider"]},
        "required": common["required"],
        "allOf": branches,
        "examples": common["examples"],
        "x-common": common,
    }


def _distribution(kubernetes: Schema, options: Mapping[str, Any], document: Schema) -> None:
    hoisted = _hoisted(options, document)
    kubernetes["properties"] = {**hoisted.get("properties", {}), **kubernetes["properties"]}


def _hoisted(options: Mapping[str, Any], document: Schema) -> Schema:
    """A copy of a plugin's schema, with its `$defs` moved to the root where its references look for them."""
    own: Schema = copy.deepcopy(dict(options))
    for name, definition in own.pop("$defs", {}).items():
        document["$defs"].setdefault(name, definition)
    return own
