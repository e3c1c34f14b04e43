"""Where in its YAML a field stands: paths as the API server writes them, looked up in the parsed text.

The server names fields in three ways: `spec.containers[0].image` (validation), `.spec.containers[name="app"].image`
(server-side apply) and `data[some.key]` (maps); all of them are read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Step: TypeAlias = "str | int | Choice"
_NAME = re.compile(r"\.?([^.\[\]]+)")
_PAIR = re.compile(r"""([A-Za-z0-9_-]+)=("(?:[^"\\]|\\.)*"|'[^']*'|[^,\]]+)""")


@dataclass(frozen=True, slots=True)
class Choice:
    """The item of a list whose fields are these (`[name="app"]`)."""

    pairs: tuple[tuple[str, str], ...]


def steps(path: str) -> tuple[Step, ...]:
    """A path as steps; what cannot be read ends it, so that the place is at least near."""
    found: list[Step] = []
    at = 0
    while at < len(path):
        if path[at] == "[":
            end = path.find("]", at)
            if end < 0:
                break
            found.append(_inside(path[at + 1 : end]))
            at = end + 1
            continue
        name = _NAME.match(path, at)
        if not name:
            break
        found.append(name[1])
        at = name.end()
    return tuple(found)


def _inside(text: str) -> Step:
    """What stands between brackets."""
    if text.isdigit():
        return int(text)
    pairs = tuple((key, _plain(value)) for key, value in _PAIR.findall(text))
    return Choice(pairs) if pairs else _plain(text.removeprefix("="))


def _plain(text: str) -> str:
    try:
        return str(json.loads(text)) if text[:1] == '"' else text.strip("'")
    except ValueError:
        return text


def locate(node: Any, path: Sequence[Step]) -> tuple[int, int]:
    """Line and column, from 1, of the deepest part of the path that the YAML node has: the key of a field, an item of a list."""
    mark = node.start_mark
    for step in path:
        inner = _inner(node, step)
        if inner is None:
            break
        mark, node = inner
    return mark.line + 1, mark.column + 1


def _inner(node: Any, step: Step) -> tuple[Any, Any] | None:
    """Where the part stands, and its own node."""
    if node.id == "mapping" and not isinstance(step, Choice):
        return next(((key.start_mark, value) for key, value in node.value if key.value == str(step)), None)
    if node.id != "sequence":
        return None
    if isinstance(step, int):
        return (node.value[step].start_mark, node.value[step]) if step < len(node.value) else None
    for item in node.value:
        fields = {key.value: value.value for key, value in item.value} if item.id == "mapping" else {}
        wanted = step.pairs if isinstance(step, Choice) else ()
        if wanted and all(fields.get(key) == value for key, value in wanted):
            return item.start_mark, item
        if not wanted and item.value == step:
            return item.start_mark, item
    return None


def twice(node: Any, aliases: bool = True, most: int = 2_000_000) -> tuple[str, int, int] | None:
    """A key that a mapping has twice, with line and column; `aliases` where they unfold into more than `most` values.

    Parsers take the last of two in silence, and the server never sees the first. `aliases`: whether there may be any.
    """
    sizes: dict[int, int] = {}
    todo = [(node, False)]
    while todo:
        each, seen = todo.pop()
        if each.id == "scalar" or (aliases and id(each) in sizes):
            continue
        inner = [part for pair in each.value for part in pair] if each.id == "mapping" else each.value
        if not seen:
            if each.id == "mapping" and (again := _again(each)):
                return again
            if aliases:
                todo.append((each, True))
            todo += [(child, False) for child in inner if child.id != "scalar"]
            continue
        sizes[id(each)] = 1 + sum(sizes.get(id(child), 1) for child in inner)
        if sizes[id(each)] > most:
            return "aliases", each.start_mark.line + 1, each.start_mark.column + 1
    return None


def _again(node: Any) -> tuple[str, int, int] | None:
    """The first key that is there already."""
    keys = [key.value for key, _ in node.value if key.id == "scalar"]
    if len(set(keys)) == len(keys):
        return None
    seen = set()
    for key, _ in node.value:
        if key.id == "scalar" and key.value in seen and key.value != "<<":
            return str(key.value), key.start_mark.line + 1, key.start_mark.column + 1
        if key.id == "scalar":
            seen.add(key.value)
    return None
