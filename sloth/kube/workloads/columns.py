"""Columns of one's own: `NAME:.metadata.name,IMAGES:.spec.containers[*].image` (kubectl reference, custom columns)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sloth.errors import UsageError
from sloth.kube.show import aligned
from sloth.kube.show import cell as clean
from sloth.kube.wire import Object
from sloth.kube.workloads.jsonpath import Part, parse, shown, wrong
from sloth.kube.workloads.jsonpath_walk import walk

_RELAXED = re.compile(r"^\{\.?([^{}]+)\}$|^\.?([^{}]+)$", re.S)


def relaxed(text: str) -> tuple[Part, ...]:
    """A path with or without braces and first dot. Raises UsageError."""
    found = _RELAXED.match(text.strip())
    if not found:
        raise wrong(text, "a column is one path")
    return parse(f"{{.{found[1] or found[2]}}}")


def columns(text: str) -> list[tuple[str, tuple[Part, ...]]]:
    """Titles and their paths, from `TITLE:PATH,…`. Raises UsageError."""
    found = []
    for each in _split(text):
        title, colon, path = each.partition(":")
        if not colon or not path.strip():
            raise UsageError("kube/columns", f"`{each}` is no column", hint="-o custom-columns=NAME:.metadata.name,KIND:.kind")
        found.append((title.strip(), relaxed(path)))
    return found


def _split(text: str) -> list[str]:
    """At commas that are not inside brackets."""
    return [each for each in re.split(r",(?![^\[\]]*\])", text) if each]


def of_file(text: str) -> list[tuple[str, tuple[Part, ...]]]:
    """The same from a file of two lines: titles, and paths below them. Raises UsageError."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise UsageError(
            "kube/columns",
            "a file of columns has two lines: titles, and as many paths",
            hint="-o custom-columns=NAME:.metadata.name",
        )
    return [(title, relaxed(path)) for title, path in zip(*lines, strict=True)]


def table(chosen: Sequence[tuple[str, tuple[Part, ...]]], items: Sequence[Object], *, head: bool = True) -> str:
    """The objects in these columns. Raises UsageError."""
    rows = [titles(chosen)] if head else []
    rows += [row(chosen, item) for item in items]
    return aligned(rows) if rows else ""


def titles(chosen: Sequence[tuple[str, tuple[Part, ...]]]) -> list[str]:
    """The first line."""
    return [title for title, _ in chosen]


def row(chosen: Sequence[tuple[str, tuple[Part, ...]]], item: Object) -> list[str]:
    """The line of one object. Raises UsageError."""
    return [cell(path, item) for _, path in chosen]


def cell(path: Sequence[Part], item: Object) -> str:
    """What is there, several joined by commas; `<none>` for nothing."""
    values = [value for part in path if isinstance(part, tuple) for value in walk(part, [item])]
    return clean(",".join(_go(value) for value in values) if values else "<none>")


def _go(value: Any) -> str:
    """As Go prints any value: `map[a:1 b:2]`, `[x y]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    return "<nil>" if value is None else shown(value)
