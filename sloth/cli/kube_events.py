"""`sloth kube events`: what happened."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_options import Where, kube_verb
from sloth.errors import UsageError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.wire import Object
    from sloth.kube.workloads.happenings import About

For = Annotated[str, typer.Option("--for", help="Only of this object: KIND/NAME.", show_default=False)]
Types = Annotated[str, typer.Option("--types", help="Only of these types: Warning, or Normal,Warning.", show_default=False)]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
NoHead = Annotated[bool, typer.Option("--no-headers", help="Without the first line.")]


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "events")
    def events(
        where: Where,
        *,
        about: For = "",
        types: Types = "",
        watch: Watch = False,
        everywhere: Everywhere = False,
        no_headers: NoHead = False,
    ) -> Outcome:
        """Show events, the latest last."""
        wanted = [each.strip() for each in types.split(",") if each.strip()]
        return show_events(where, about, wanted, "*" if everywhere else "", watch=watch, head=not no_headers)


def show_events(where: Where, about: str, types: Sequence[str], namespace: str, *, watch: bool, head: bool) -> Outcome:
    """The verb without its command line; with `watch` it ends by Ctrl-C only. Raises SlothError."""
    from sloth.app import say
    from sloth.kube.workloads.happenings import events

    with where.client() as client:
        whose = _about(client, about) if about else None
        found = client.run(events(client.api, namespace or None, about=whose, types=types))
        if watch:
            _follow(client, found, whose, types, namespace, head=head)
        if not found:
            say("no events")
        return Outcome("KubeEvents", text=text_of(found, namespace, head=head) if found else "")


def _about(client: Client, text: str) -> About:
    from sloth.kube.workloads.happenings import About

    kind, slash, name = text.partition("/")
    if not slash or not name:
        raise UsageError("kube/target", "--for takes one object", hint="sloth kube events --for pod/web")
    return About(client.run(client.kinds.find(kind)), name)


def text_of(found: Sequence[Object], namespace: str, *, head: bool) -> str:
    """The events as a table."""
    from datetime import UTC, datetime

    from sloth.kube.show import aligned, cell
    from sloth.kube.workloads.happenings import HEAD, row

    now, spaces = datetime.now(UTC), bool(namespace)
    rows = [(["NAMESPACE"] if spaces else []) + HEAD] if head else []
    return aligned([*rows, *([cell(word) for word in row(each, now, namespaces=spaces)] for each in found)])


def _follow(
    client: Client, found: Sequence[Object], about: About | None, types: Collection[str], namespace: str, *, head: bool
) -> None:
    """Print what there is, then each new one as it comes."""
    import sys

    from sloth.kube.workloads.happenings import wanted

    if found:
        sys.stdout.write(text_of(found, namespace, head=head) + "\n")
    seen = {(each["metadata"]["uid"], each["metadata"]["resourceVersion"]) for each in found}
    place = "*" if about and not about.resource.namespaced else namespace or None
    for event in client.watch("events", place, fields=about.fields() if about else ""):
        meta = event.object["metadata"]
        if event.type == "DELETED" or (meta["uid"], meta["resourceVersion"]) in seen or not wanted(event.object, types):
            continue
        sys.stdout.write(text_of([event.object], namespace, head=False) + "\n")
        sys.stdout.flush()
