"""Many nodes' names in few words."""

from __future__ import annotations

import re
from collections.abc import Sequence

_RUNS = 3  # of consecutive names that are shown
_NUMBERED = re.compile(r"(.*-)(\d+)")


def named(nodes: Sequence[str]) -> str:
    """`cp-1, work-1 … work-497 (498 nodes)`: what counts up without a gap is one word; of many such, the first three."""
    names = list(dict.fromkeys(nodes))
    runs = _runs(names)
    words = [f"{run[0]} … {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs[:_RUNS]]
    if len(runs) > _RUNS:
        words.append("…")
    return ", ".join(words) + (f" ({len(names)} nodes)" if len(names) > 2 else "")


def _runs(names: Sequence[str]) -> list[list[str]]:
    runs: list[list[str]] = []
    before: tuple[str, int] | None = None
    for name in names:
        found = _NUMBERED.fullmatch(name)
        key = (found[1], int(found[2])) if found else None
        if key and before and key == (before[0], before[1] + 1):
            runs[-1].append(name)
        else:
            runs.append([name])
        before = key
    return runs
