"""Which backups stay: the last ones, and the newest of each hour, day and week. Pure: times and what is verified go in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

HOUR, DAY, WEEK = 3600, 86400, 604800  # seconds
_MONDAY = 4 * DAY  # the Unix epoch was a Thursday; weeks begin on Monday, as in ISO 8601


def keep(taken: Mapping[str, int], verified: Iterable[str], wish: Mapping[str, int]) -> set[str]:
    """Names that stay. `taken`: name -> Unix seconds; `wish`: how many to keep by `last`, `hourly`, `daily`, `weekly`.

    Always among them: the newest one, and the newest one that is verified, for nothing else is known to be of use. With an empty
    wish everything stays.
    """
    if not any(wish.values()):
        return set(taken)
    newest = sorted(taken, key=lambda name: (taken[name], name), reverse=True)
    kept = set(newest[: max(1, wish.get("last", 0))])
    known = set(verified)
    kept.update([name for name in newest if name in known][:1])
    for kind, period in _PERIODS.items():
        kept |= _one_each(newest, lambda name, period=period: period(taken[name]), wish.get(kind, 0))  # type: ignore[misc]
    return kept


def _one_each(newest: list[str], period: Callable[[str], int], count: int) -> set[str]:
    first: dict[int, str] = {}
    for name in newest:
        first.setdefault(period(name), name)
    return {first[number] for number in sorted(first, reverse=True)[:count]}


_PERIODS: Mapping[str, Callable[[int], int]] = {
    "hourly": lambda seconds: seconds // HOUR,
    "daily": lambda seconds: seconds // DAY,
    "weekly": lambda seconds: (seconds - _MONDAY) // WEEK,
}
