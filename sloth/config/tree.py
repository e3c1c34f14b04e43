"""YAML as a tree in which every value and every key knows where it was written. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]  # ("spec", "pools", 0, "name")


class Mark(NamedTuple):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One YAML value: a scalar, a dict of trees, or a list of trees."""

    value: Any
    mark: Mark
    key: Mark | None = None  # where its key is, for values of a mapping
    text: str = ""  # a plain (unquoted) scalar as it was written

    def plain(self) -> Any:
        """The bare data, without marks."""
        if isinstance(self.value, dict):
            return {name: child.plain() for name, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def children(self) -> Iterator[tuple[str | int, Tree]]:
        """Keys or indexes with their trees; nothing for a scalar."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from enumerate(self.value)

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Tree]]:
        """The tree itself and all below it with their paths, parents first."""
        yield path, self
        for name, child in self.children():
            yield from child.walk((*path, name))


def plant(data: Any, mark: Mark) -> Tree:
    """A tree of plain data that was never written in a file: everything is at `mark`."""
    if isinstance(data, Mapping):
        return Tree(value={str(name): plant(child, mark) for name, child in data.items()}, mark=mark, key=mark)
    if isinstance(data, (list, tuple)):
        return Tree(value=[plant(item, mark) for item in data], mark=mark, key=mark)
    return Tree(value=data, mark=mark, key=mark)


class Places:
    """Answers where a path of the merged spec was written."""

    def __init__(self, tree: Tree) -> None:
        self.trees: Mapping[Path, Tree] = dict(tree.walk())

    def of(self, path: Path) -> Mark:
        """Mark of the value at `path`, or of its nearest ancestor that was written."""
        while path not in self.trees:
            path = path[:-1]
        return self.trees[path].mark

    def of_key(self, path: Path) -> Mark:
        """Mark of the key that leads to `path` (of the value, in lists), or of the nearest ancestor's."""
        while path not in self.trees:
            path = path[:-1]
        tree = self.trees[path]
        return tree.key or tree.mark

    def text(self, path: Path) -> str:
        """The plain scalar at `path` as it was written; "" if it was quoted or is none."""
        return self.trees[path].text if path in self.trees else ""


def show_path(path: Path) -> str:
    """`spec.pools[0].name`, as messages and plugins write paths."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f"{'.' if text else ''}{part}"
    return text or "the document"


def as_path(text: str) -> Path:
    """`spec.pools[0].image` as a path; () if it is none."""
    if text.split(".", maxsplit=1)[0] not in ("spec", "metadata"):
        return ()
    return tuple(int(part) if part.isdigit() else part for part in text.replace("[", ".").replace("]", "").split("."))
