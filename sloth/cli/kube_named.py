"""Which objects a verb is about: named ones, or those of a kind that a selector takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.errors import UsageError

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.resource import Resource

_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+|\d+(?:\.\d+)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(given: str | float) -> float:
    """A time such as `90`, `90s`, `5m`, `1h30m`; a number is seconds. Raises BadParameter."""
    text = str(given)
    if not _SPAN.fullmatch(text):
        raise typer.BadParameter(f"`{text}` is no time: 90, 90s, 5m, 1h30m")
    if text[-1].isdigit():
        return float(text)
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h|d)", text))


Seconds = Annotated[
    float, typer.Option("--timeout", parser=seconds, metavar="TIME", help="Seconds, or 90s, 5m, 1h30m; 0 only looks.")
]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Instead of names, those with these labels.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Instead of names, all of the kind in the namespace.")]


def chosen(
    client: Client, what: Sequence[str], labels: str, hint: str, *, every: bool = False
) -> list[tuple[Resource, str]]:  # fmt: skip
    """Kind and name of each, in the context's namespace. Raises UsageError: neither names nor a selector, or both; ApiError."""
    from sloth.cli.kube_get import targets

    found: list[tuple[Resource, str]] = []
    for kind, names in client.run(targets(client.api, what)):
        if [bool(names), bool(labels), every].count(True) != 1:
            raise UsageError("kube/target", "either names or a selector says which objects are meant", hint=hint)
        found += [(kind, name) for name in names]
        if not names:
            found += [(kind, item["metadata"]["name"]) for item in client.list(kind, labels=labels)]
    return found
