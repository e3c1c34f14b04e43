"""When backups are made: a cron line of five fields, as systemd's OnCalendar. Sources: crontab(5), systemd.time(7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MACROS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_PART = re.compile(r"(?P<from>\*|[0-9]{1,2})(-(?P<to>[0-9]{1,2}))?(/(?P<step>[0-9]{1,2}))?\Z")
_LIMITS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
)


def calendar(line: str) -> str:
    """The cron line as an OnCalendar expression in UTC. Raises ValueError that says which part is wrong."""
    words = _MACROS.get(line.strip(), line).split()
    if len(words) != len(_LIMITS):
        raise ValueError(f"a schedule has five fields (minute hour day month weekday), or is one of {', '.join(_MACROS)}")
    values = {name: _values(name, word) for name, word in zip(_LIMITS, words, strict=True)}
    if values["day"] is not None and values["weekday"] is not None:
        raise ValueError("a day of the month and a weekday at once mean `either of them` to cron, which a timer cannot say")
    weekday = values.pop("weekday")
    days = "" if weekday is None else ",".join(_DAYS[number] for number in sorted({number % 7 for number in weekday})) + " "
    say: Callable[[str], str] = lambda name: _list(values[name])  # noqa: E731
    return f"{days}*-{say('month')}-{say('day')} {say('hour')}:{say('minute')}:00 UTC"


def _list(numbers: list[int] | None) -> str:
    return "*" if numbers is None else ",".join(f"{number:02d}" for number in numbers)


def _values(name: str, word: str) -> list[int] | None:
    """Every value that the field allows; None = all."""
    if word == "*":
        return None
    lowest, highest = _LIMITS[name]
    found: set[int] = set()
    for part in word.split(","):
        match = _PART.match(part)
        if not match or (match["from"] == "*" and match["to"]):
            raise ValueError(f"{name}: `{part}` is no number, range or step")
        first = lowest if match["from"] == "*" else int(match["from"])
        last = int(match["to"]) if match["to"] else highest if match["from"] == "*" or match["step"] else first
        step = int(match["step"] or 1)
        if not lowest <= first <= last <= highest or step == 0:
            raise ValueError(f"{name}: `{part}` is not within {lowest} to {highest}")
        found.update(range(first, last + 1, step))
    return sorted(found)
