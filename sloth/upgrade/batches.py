"""Which workers are upgraded together: one first on its own (the canary), then so many at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from sloth.errors import UsageError

_SIZE = re.compile(r"(?:([1-9][0-9]?|100)%|([1-9][0-9]{0,3}))\Z")
_DURATION = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,3})m)?(?:(\d{1,5})s)?\Z")


def size(batch: str, workers: int) -> int:
    """How many workers at a time: of `25%` a quarter of all workers, rounded up; of `3` three. At least one.

    Raises UsageError for anything else.
    """
    found = _SIZE.match(batch)
    if not found:
        raise UsageError(
            "upgrade/batch",
            f"`{batch}` is no batch: neither a percentage of the workers nor a number of them",
            hint="--batch 25% or --batch 2",
        )
    return max(1, ceil(workers * int(found[1]) / 100) if found[1] else int(found[2]))


def seconds(duration: str) -> int:
    """Seconds of a duration such as `30s`, `1m` or `1h30m`. Raises ValueError for anything else."""
    found = _DURATION.match(duration)
    if not found or not any(found.groups()):
        raise ValueError(f"{duration!r} is no duration")
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + rest


def most(share: str, nodes: int) -> int:
    """How many of `nodes` may be away at once: of `10%` a tenth, rounded down; of `3` three. At least one. Raises UsageError."""
    found = _SIZE.match(share)
    return max(1, nodes * int(found[1]) // 100) if found and found[1] else size(share, nodes)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """How many nodes of a pool may be taken at once."""

    name: str
    limit: int  # nodes that may be away, whatever the reason
    away: tuple[str, ...] = ()  # nodes that are away already, and not by this upgrade

    @property
    def room(self) -> int:
        """Nodes at once. One always may: an upgrade that waited for a node that nobody mends would never end."""
        return max(1, self.limit - len(self.away))


def batches(
    todo: Sequence[str], workers: int, batch: str, *, canary: bool, pools: Mapping[str, Pool] = MappingProxyType({})
) -> list[tuple[str, ...]]:
    """Groups of the nodes that are still to do, in order. `workers`: how many workers there are in all.

    `pools`: node -> its pool, which narrows how many of its nodes are in one group; those without are not narrowed.
    The canary is the very first worker of the cluster's upgrade: where some are done already, there is none any more.
    """
    alone = 1 if canary and len(todo) == workers and workers > 1 else 0
    rest, step = todo[alone:], size(batch, workers)
    groups = [tuple(todo[:alone])] if alone else []
    while rest:
        groups.append(_next(rest, step, pools))
        rest = [name for name in rest if name not in groups[-1]]
    return groups


def _next(rest: Sequence[str], step: int, pools: Mapping[str, Pool]) -> tuple[str, ...]:
    group: list[str] = []
    used: Counter[str] = Counter()
    for name in rest:
        pool = pools.get(name)
        if len(group) < step and (pool is None or used[pool.name] < pool.room):
            group.append(name)
            used[pool.name if pool else ""] += 1
    return tuple(group)
