"""What only the plugins in use can say about a spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sloth import registry
from sloth.config.problem import Finding
from sloth.config.rules.desk import Desk
from sloth.config.tree import Path, as_path
from sloth.errors import ConfigError, SlothError


def plugins(desk: Desk) -> Iterator[Finding]:
    """The checks of every provider in use, and of the distribution.

    A plugin names a place by its path in the spec: `spec.pools[0].size`, or with the pool's name, `spec.pools[work].size`.
    """
    spec = desk.spec
    for name in sorted({pool.provider for pool in spec.pools}):
        yield from _placed(desk, registry.provider(name).check(spec), ("spec", "providers", name))
    yield from _placed(desk, registry.distribution(spec.kubernetes.distribution).check(spec), ("spec", "kubernetes"))


def _placed(desk: Desk, problems: Sequence[SlothError], otherwise: Path) -> Iterator[Finding]:
    for problem in problems:
        path = _numbered(desk, as_path(problem.where)) or otherwise
        mark = desk.places.of(path)
        placed = ConfigError(problem.code, problem.summary, detail=problem.detail, hint=problem.hint, where=str(mark))
        yield Finding(path=path, problem=placed, mark=mark)


def _numbered(desk: Desk, path: Path) -> Path:
    """The path with a pool's index in place of its name."""
    if path[:2] == ("spec", "pools") and len(path) > 2:
        names = [pool.name for pool in desk.spec.pools]
        if path[2] in names:
            return (*path[:2], names.index(str(path[2])), *path[3:])
    return path


def news(found: list[Finding], said: list[Finding]) -> list[Finding]:
    """Findings of plugins, without those about a key that was refused already."""
    refused = {(finding.path[:3], finding.path[-1:]) for finding in said}
    return [finding for finding in found if (finding.path[:3], finding.path[-1:]) not in refused]
