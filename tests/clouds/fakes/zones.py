"""What fakes of DNS services have in common: one zone, and record sets that are there once or as often as one likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.clouds.fakes.rules import Item, Rules

ZONE = "example.com"
ZONE_ID = "zone-1"


def once(*fields: str) -> Callable[[Any, Item], str]:
    """A check: the cloud makes no second one in which these properties are the same."""

    def check(fake: Any, item: Item) -> str:
        twins = [each for each in fake.all(item.token) if each.id != item.id]
        same = any(all(each.inputs.get(name) == item.inputs.get(name) for name in fields) for each in twins)
        what = " ".join(str(item.inputs.get(name)) for name in fields)
        return str(fake.texts["conflict"].format(what=what)) if same else ""

    return check


def record_set(zone: str, *fields: str, ident: str) -> Rules:
    """All records of a name and type; `ident`: its id, of its properties."""
    return Rules(
        known={zone: "dns zone"},
        replaces=frozenset({zone, *fields}),
        checks=once(zone, *fields),
        id=lambda fake, item: ident.format_map(item.inputs),
    )


def record(zone: str, *fields: str) -> Rules:
    """One record; a twin is as welcome as the first."""
    return Rules(
        known={zone: "dns zone"},
        replaces=frozenset({zone, *fields}),
        id=lambda fake, item: f"{item.inputs[zone]},{fake.number()}",
    )


def number(item: Item) -> str:
    """The id of a record without its zone's."""
    return item.id.partition(",")[2]
