"""Which objects a verb is about: named ones, or those of a kind that a selector takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.errors import UsageError

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.resource import Resource

Labels = Annotated[str, typer.Option("--selector", "-l", help="Instead of names, those with these labels.", show_default=False)]


def chosen(client: Client, what: Sequence[str], labels: str, hint: str) -> list[tuple[Resource, str]]:
    """Kind and name of each, in the context's namespace. Raises UsageError: neither names nor a selector, or both; ApiError."""
    from sloth.cli.kube_get import targets

    found: list[tuple[Resource, str]] = []
    for kind, names in client.run(targets(client.api, what)):
        if bool(names) == bool(labels):
            raise UsageError("kube/target", "either names or a selector says which objects are meant", hint=hint)
        found += [(kind, name) for name in names]
        if labels:
            found += [(kind, item["metadata"]["name"]) for item in client.list(kind, labels=labels)]
    return found
