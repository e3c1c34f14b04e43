"""Texts that go onto nodes: files of a package with `@NAME@` places, and YAML documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_PLACE = re.compile(r"@([A-Z_]+)@")


@cache
def _read(package: str, name: str) -> str:
    return files(package).joinpath("files", name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Texts:
    """The files in folder `files` of a package (`__package__` of the module that asks)."""

    package: str

    def text(self, name: str, **values: str) -> str:
        """The file of that name with every `@KEY@` replaced. Raises KeyError when a place has no value or a value no place."""
        raw = _read(self.package, name)
        unused = set(values) - set(_PLACE.findall(raw))
        if unused:
            raise KeyError(f"{name} has no place for {', '.join(sorted(unused))}")
        return _PLACE.sub(lambda found: values[found[1]], raw)


HOSTING = Texts(__package__)


def yaml_text(*documents: Mapping[str, Any]) -> str:
    """The documents as one YAML text, keys in the order given."""
    import yaml

    return str(yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=False, allow_unicode=True))


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping: later layers win, nested mappings are merged."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            both = isinstance(below, Mapping) and isinstance(value, Mapping)
            result[key] = merged(below, value) if both else plain(value)  # type: ignore[arg-type]
    return result


def plain(value: Any) -> Any:
    """Mappings and tuples as dicts and lists, which YAML and JSON can write."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value
