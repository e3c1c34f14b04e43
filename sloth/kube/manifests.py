"""Manifests: YAML or JSON of several documents, Lists taken apart, each object with where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sloth.errors import UsageError
from sloth.kube.wire import Object


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file; `where` is file and line."""

    object: Object
    where: str

    @property
    def kind(self) -> str:
        """`apps/v1/Deployment`."""
        return f"{self.object['apiVersion']}/{self.object['kind']}"

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return str(self.object["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """`metadata.namespace`, or nothing."""
        return str(self.object["metadata"].get("namespace") or "")


def read(texts: Iterable[tuple[str, bytes]]) -> list[Manifest]:
    """All objects of named texts, in their order. Raises UsageError: no YAML, no object, no name, one twice."""
    found = [manifest for name, text in texts for manifest in _documents(name, text)]
    seen: dict[tuple[str, str, str], Manifest] = {}
    for each in found:
        # The version is no part of it: one object of two versions is one object twice.
        group = each.object["apiVersion"].rpartition("/")[0]
        before = seen.setdefault((f"{group}/{each.object['kind']}", each.namespace, each.name), each)
        if before is not each:
            raise _no(each.where, f"{each.object['kind']} {each.name} is there twice: also in {before.where}")
    return found


def _documents(name: str, text: bytes) -> Iterable[Manifest]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            where = f"{name}:{node.start_mark.line + 1}"
            document = loader.construct_document(node)
            if document is not None:
                yield from _objects(document, where)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        # Not the parser's own words: they quote the line, which may be a Secret's.
        raise _no(f"{name}:{mark.line + 1}" if mark else name, "this is no YAML") from None
    finally:
        loader.dispose()


def _objects(document: Any, where: str) -> Iterable[Manifest]:
    if not isinstance(document, dict):
        raise _no(where, "a manifest is a mapping")
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(item, where)
        return
    meta = document.get("metadata")
    for key in ("apiVersion", "kind"):
        if not isinstance(document.get(key), str) or not document[key]:
            raise _no(where, f"`{key}` is missing")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("name"), str) or not meta["name"]:
        raise _no(where, "`metadata.name` is missing")
    yield Manifest(document, where)


def _no(where: str, why: str) -> UsageError:
    return UsageError("kube/no-object", f"{where} is no object that can be applied", detail=why, hint="correct the file")
