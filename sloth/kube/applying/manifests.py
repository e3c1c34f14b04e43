"""Manifests: YAML or JSON of several documents, Lists taken apart, each object with where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sloth.errors import UsageError
from sloth.kube.applying.marks import Step, locate, twice
from sloth.kube.wire import Object

# YAML 1.1 (yaml.org/type/int, float) without its numbers to the base of 60.
_INT = re.compile(r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file; `where` is file and line, `node` its parsed YAML."""

    object: Object
    where: str
    node: Any = field(default=None, repr=False, compare=False)

    def place(self, path: Iterable[Step] = ()) -> str:
        """File, line and column of a field, or of the nearest thing around it that is there."""
        if self.node is None:
            return self.where
        line, column = locate(self.node, tuple(path))
        return f"{self.where.rpartition(':')[0]}:{line}:{column}"

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


@cache
def _reader() -> Any:
    """YAML as kubectl reads it (sigs.k8s.io/yaml): dates, `22:22` and `=` are strings there, not dates, 1342 and an error."""
    import yaml

    class Reader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """PyYAML's safe loader with other ideas of what a plain word is."""

    dropped = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"}
    numbers = {"tag:yaml.org,2002:int": _INT, "tag:yaml.org,2002:float": _FLOAT}
    Reader.yaml_implicit_resolvers = {
        letter: [(tag, numbers.get(tag, pattern)) for tag, pattern in known if tag not in dropped]
        for letter, known in Reader.yaml_implicit_resolvers.items()
    }
    return Reader


def _documents(name: str, text: bytes) -> Iterable[Manifest]:
    import yaml

    loader = _reader()(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            where = f"{name}:{node.start_mark.line + 1}"
            if again := twice(node, b"&" in text):
                what, line, column = again
                why = "its aliases unfold into millions" if what == "aliases" else f"`{what}` is there twice"
                raise _no(f"{name}:{line}:{column}", why)
            document = loader.construct_document(node)
            if document is not None:
                yield from _objects(document, where, node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        # Not the parser's own words: they quote the line, which may be a Secret's.
        raise _no(f"{name}:{mark.line + 1}" if mark else name, "this is no YAML") from None
    finally:
        loader.dispose()


def _objects(document: Any, where: str, node: Any) -> Iterable[Manifest]:
    if not isinstance(document, dict):
        raise _no(where, "a manifest is a mapping")
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        inner = next(value for key, value in node.value if key.value == "items")
        for item, part in zip(document["items"], inner.value, strict=True):
            yield from _objects(item, f"{where.rpartition(':')[0]}:{part.start_mark.line + 1}", part)
        return
    meta = document.get("metadata")
    for key in ("apiVersion", "kind"):
        if not isinstance(document.get(key), str) or not document[key]:
            raise _no(where, f"`{key}` is missing")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("name"), str) or not meta["name"]:
        raise _no(where, "`metadata.name` is missing")
    yield Manifest(document, where, node)


def _no(where: str, why: str) -> UsageError:
    return UsageError("kube/no-object", f"{where} is no object that can be applied", detail=why, hint="correct the file")
