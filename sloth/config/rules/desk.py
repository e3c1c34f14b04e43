"""What a rule is given, and how it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sloth.config.problem import Finding, shown
from sloth.config.tree import Path, Places
from sloth.errors import ConfigError
from sloth.model.spec import ClusterSpec


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A built spec with the places where it was written."""

    spec: ClusterSpec
    places: Places

    def find(
        self,
        code: str,
        path: Path,
        summary: str,
        hint: str,
        *,
        rule: str,
        value: Any = "",
        depends: tuple[Path, ...] = (),
        key: bool = False,
    ) -> Finding:
        """A finding at `path` (at its key, with `key`), which is void if a path in `depends` is itself wrong."""
        mark = self.places.of_key(path) if key else self.places.of(path)
        detail = f"value: {shown(value)}\nrule: {rule}" if value != "" else f"rule: {rule}"
        problem = ConfigError(code, summary, where=str(mark), detail=detail, hint=hint)
        return Finding(path=path, problem=problem, mark=mark, depends=depends)

    def pool_path(self, index: int, *more: str | int) -> Path:
        """Path of pool number `index`, or of something in it."""
        return ("spec", "pools", index, *more)

    def sizes(self) -> tuple[Path, ...]:
        """The paths on which the number of nodes of each role depends."""
        fields = ("role", "count", "hosts", "provider")
        return tuple(self.pool_path(index, field) for index in range(len(self.spec.pools)) for field in fields)


Rule: TypeAlias = Callable[[Desk], Iterator[Finding]]
