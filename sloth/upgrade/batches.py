"""Which workers are upgraded together: one first on its own (the canary), then so many at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil

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


def batches(todo: Sequence[str], workers: int, batch: str, *, canary: bool) -> list[tuple[str, ...]]:
    """Groups of the nodes that are still to do, in order. `workers`: how many workers there are in all.

    The canary is the very first worker of the cluster's upgrade: where some are done already, there is none any more.
    """
    alone = 1 if canary and len(todo) == workers and workers > 1 else 0
    rest, step = todo[alone:], size(batch, workers)
    groups = [tuple(rest[start : start + step]) for start in range(0, len(rest), step)]
    return [tuple(todo[:alone]), *groups] if alone else groups
