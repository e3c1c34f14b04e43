"""Times of the API and ages for people."""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def when(text: object) -> datetime | None:
    """An RFC 3339 time, such as `2026-01-02T03:04:05.678901Z`; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def age(since: object, now: datetime) -> str:
    """How long ago, in two units where the second still says something: `42s`, `5m30s`, `3h`, `4d6h`, `2y10d`."""
    start = when(since)
    return "<unknown>" if start is None else span((now - start).total_seconds())


def span(length: float) -> str:
    """A time in seconds in the same words."""
    seconds = max(0, int(length))
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    for limit, unit, letter, below, small in (
        (10 * _MINUTE, _MINUTE, "m", 1, "s"),
        (3 * _HOUR, _MINUTE, "m", 0, ""),
        (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
        (2 * _DAY, _HOUR, "h", 0, ""),
        (8 * _DAY, _DAY, "d", _HOUR, "h"),
        (2 * _YEAR, _DAY, "d", 0, ""),
        (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    ):
        if seconds < limit:
            rest = seconds % unit // below if below else 0
            return f"{seconds // unit}{letter}{rest}{small}" if rest else f"{seconds // unit}{letter}"
    return f"{seconds // _YEAR}y"
