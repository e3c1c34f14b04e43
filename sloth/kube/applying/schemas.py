"""The schemas of kinds, as the server publishes them (OpenAPI v3): fetched once for each version of a document, then kept.

`/openapi/v3` lists a document for each group version with a hash in its address; a document of that hash never changes
(kubernetes.io, "The Kubernetes API", OpenAPI V3). Descriptions are most of a document and are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from sloth.kube.decode import document, ok
from sloth.kube.wire import Call, Object, Request, ask, ask_all

_HASH = re.compile(r"[0-9A-Fa-f]{16,128}")
_REF = "#/components/schemas/"


class Keeper(Protocol):
    """Where documents are kept between runs, by their hash."""

    def load(self, digest: str) -> dict[str, Any] | None:
        """What was kept, if anything."""
        ...

    def save(self, digest: str, schemas: dict[str, Any]) -> None:
        """Keep it."""
        ...


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one kind, with those that it refers to."""

    root: Mapping[str, Any]
    others: Mapping[str, Any]

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without references: what is said beside one counts too."""
        for _ in range(8):  # a reference leads to a schema, which may be a mere reference itself
            parts = [schema, *(each for each in schema.get("allOf") or () if "$ref" in each)]
            names = [str(part["$ref"]).removeprefix(_REF) for part in parts if "$ref" in part]
            if not names:
                break
            beside = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "default")}
            schema = {**self.others.get(names[0], {}), **beside}
        return schema


Schemas = dict[str, Schema]
"""By `apps/v1/Deployment`."""


def fetch(api_versions: Iterable[str], keeper: Keeper | None = None) -> Call[Schemas | None]:
    """The schemas of all kinds of these group versions; None where the server has no OpenAPI v3. Raises ApiError."""
    request = Request("GET", "/openapi/v3", what="read which schemas there are")
    answer = yield from ask(request)
    if answer.status == 404:
        return None
    paths = document(ok(answer, request)).get("paths") or {}
    wanted = {each: str((paths.get(_path(each)) or {}).get("serverRelativeURL", "")) for each in sorted(set(api_versions))}
    found: Schemas = {}
    missing: list[tuple[str, Request]] = []
    for url in wanted.values():
        parts = urlsplit(url)
        if parts.netloc or not parts.path.startswith("/openapi/v3/"):
            continue  # a group version that the server has not
        digest = dict(parse_qsl(parts.query)).get("hash", "")
        kept = keeper.load(digest) if keeper and _HASH.fullmatch(digest) else None
        if kept is None:
            missing.append((digest, Request("GET", parts.path, tuple(parse_qsl(parts.query)), what=f"read {parts.path}")))
        else:
            found |= _kinds(kept)
    for (digest, asked), got in zip(missing, (yield from ask_all([asked for _, asked in missing])), strict=True):
        small = _trimmed((document(ok(got, asked)).get("components") or {}).get("schemas") or {})
        if keeper and _HASH.fullmatch(digest):
            keeper.save(digest, small)
        found |= _kinds(small)
    return found


def _path(api_version: str) -> str:
    return f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"


def _trimmed(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Without descriptions; a field of that name stays."""

    def schema(value: Any) -> Any:
        if isinstance(value, list):
            return [schema(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            key: fields(inner) if key == "properties" else schema(inner) for key, inner in value.items() if key != "description"
        }

    def fields(value: Any) -> Any:
        return {key: schema(inner) for key, inner in value.items()}

    return {name: schema(each) for name, each in schemas.items()}


def _kinds(schemas: dict[str, Any]) -> Schemas:
    found: Schemas = {}
    for each in schemas.values():
        for kind in each.get("x-kubernetes-group-version-kind") or ():
            place = f"{kind['group']}/{kind['version']}" if kind.get("group") else kind["version"]
            found[f"{place}/{kind['kind']}"] = Schema(each, schemas)
    return found


def defined(item: Object) -> Schemas:
    """The schemas that a CustomResourceDefinition brings itself, for objects that come with it."""
    spec = item.get("spec") or {}
    kind = (spec.get("names") or {}).get("kind", "")
    return {
        f"{spec.get('group')}/{version.get('name')}/{kind}": Schema(root, {})
        for version in spec.get("versions") or ()
        if isinstance(version, dict) and (root := (version.get("schema") or {}).get("openAPIV3Schema"))
    }
