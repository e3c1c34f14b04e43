"""The reference of the spec as a page, made from the published schema: docs/reference/spec.md is this text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sloth import registry
from sloth.config.assemble import Schema, assemble, own_pool_fields, pool_schema, resolve
from sloth.config.problem import one_of

_INTRODUCTION = """# The cluster spec

<!-- Made from the schema by `pytest tests/contract/test_spec_reference.py --update-golden`: change the schema, not this page. -->

One YAML file describes one cluster. Only `metadata.name` and one pool with the role `control-plane` are required;
`sloth config show` prints the spec with all defaults filled in, `sloth config schema` the JSON Schema behind this page.
Unknown fields are errors. `null` stands for a field that is not given.

**Overlays.** `sloth up -f sloth.yaml -f prod.yaml` lays the second file on the first: maps merge by key, pools by name, other
lists replace, and `null` removes.

**Secrets** are referred to, never written into the spec: `{env: NAME}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`.
"""
_KINDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "map", "array": "list"}


def markdown() -> str:
    """The whole page, with the fields of every plugin."""
    providers = registry.names("providers")
    document = assemble(providers, registry.names("distributions"))
    return "\n".join([_INTRODUCTION, *_sections(document, providers)]) + "\n"


def _sections(document: Schema, providers: tuple[str, ...]) -> Iterator[str]:
    top = document["properties"]
    spec = top["spec"]["properties"]
    common: Mapping[str, Any] = document["$defs"]["pool"]["x-common"]
    yield from _section(document, "Top", {name: top[name] for name in ("apiVersion", "kind")}, "", ())
    yield from _section(document, "`metadata`", top["metadata"]["properties"], "metadata.", ("name",))
    maps = [name for name, field in spec.items() if "properties" in field]
    plain = {name: field for name, field in spec.items() if name not in maps and name != "pools"}
    yield from _section(document, "`spec`", plain, "spec.", ())
    yield from _section(
        document, "`spec.pools[]`", common["properties"], "", tuple(common["required"]), text=common["description"]
    )
    hosts = document["$defs"]["host"]
    yield from _section(
        document, "`spec.pools[].hosts[]`", hosts["properties"], "", tuple(hosts["required"]), text=hosts["description"]
    )
    for name in (name for name in maps if name != "providers"):
        yield from _section(document, f"`spec.{name}`", spec[name]["properties"], "", (), text=spec[name]["description"])
    for name in providers:
        yield from _provider(document, name, spec["providers"]["properties"][name])


def _provider(document: Schema, name: str, options: Mapping[str, Any]) -> Iterator[str]:
    required = tuple(options.get("required", ()))
    yield from _section(document, f"`spec.providers.{name}`", options["properties"], "", required, text=options["description"])
    pool = pool_schema(document, name)
    own = {field: pool["properties"][field] for field in pool["properties"] if field in own_pool_fields(document, name)}
    if own:
        title = f"`spec.pools[]` of provider `{name}`"
        yield from _section(
            document, title, own, "", tuple(pool["required"]), text="Fields that such a pool has besides the common ones."
        )


def _section(
    document: Schema, title: str, fields: Mapping[str, Any], prefix: str, required: tuple[str, ...], *, text: str = ""
) -> Iterator[str]:
    yield f"\n## {title}\n"
    if text:
        yield f"{text}\n"
    if not fields:
        yield "No fields."
        return
    yield "| field | what | type | default | example |"
    yield "|---|---|---|---|---|"
    yield from _rows(document, fields, prefix, required)


def _rows(document: Schema, fields: Mapping[str, Any], prefix: str, required: tuple[str, ...]) -> Iterator[str]:
    for name, declared in fields.items():
        field = resolve(document, declared)
        nested = field.get("properties") if not field.get("x-secret") else None
        if nested:
            yield from _rows(document, nested, f"{prefix}{name}.", tuple(field.get("required", ())))
            continue
        default = "**required**" if name in required else _code(field["default"]) if "default" in field else ""
        example = _code(field["examples"][0]) if field.get("examples") else ""
        cells = (f"`{prefix}{name}`", field.get("description", ""), _kind(field), default, example)
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _kind(field: Mapping[str, Any]) -> str:
    if field.get("x-rule"):
        return str(field["x-rule"])
    if "enum" in field:
        return one_of(field["enum"])
    kind = field.get("type", "")
    return _KINDS.get(kind, "") if isinstance(kind, str) else " or ".join(_KINDS[item] for item in kind)


def _code(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"
