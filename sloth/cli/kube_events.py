"""`sloth kube events`: what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import UsageError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    import threading

    from sloth.kube.client import Client
    from sloth.kube.wire import Object
    from sloth.kube.workloads.happenings import About

For = Annotated[str, typer.Option("--for", help="Only of this object: KIND/NAME.", show_default=False)]
Types = Annotated[str, typer.Option("--types", help="Only of these types: Warning, or Normal,Warning.", show_default=False)]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Form = Annotated[str, typer.Option("--output", "-o", help="Form of the result: text, json, yaml, name, jsonpath=… .")]
NoHead = Annotated[bool, typer.Option("--no-headers", help="Without the first line.")]


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "events", many=True)
    def events(
        where: Where,
        *,
        about: For = "",
        types: Types = "",
        watch: Watch = False,
        everywhere: Everywhere = False,
        output: Form = "text",
        no_headers: NoHead = False,
    ) -> Outcome:
        """Show events, the latest last."""
        wanted = Wanted(about, _words(types), "*" if everywhere else "", output, not no_headers)
        return follow_events(where, wanted) if watch else show_events(where, wanted)


def _words(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


@dataclass(frozen=True)
class Wanted:
    """Which events, and the form of the answer. `about`: KIND/NAME; `namespace` is empty for the context's own, `*` for all."""

    about: str = ""
    types: Sequence[str] = ()
    namespace: str = ""
    form: str = "text"
    head: bool = True


def show_events(where: Where, wanted: Wanted) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.cli.kube_get import word
    from sloth.cli.kube_many import tabled
    from sloth.cli.kube_output import exactly, renderer
    from sloth.kube.workloads.happenings import events

    render = renderer(wanted.form)
    with where.client() as client:
        found = client.run(events(client.api, wanted.namespace or None, about=_about(client, wanted), types=wanted.types))
        kind = client.run(client.kinds.find("events"))
    if render:
        text = render(found, False, wanted.head)
        return exactly("KubeEvents", text) if wanted.form.startswith("jsonpath") else Outcome("KubeEvents", text=text)
    if wanted.form == "name":
        return Outcome("KubeEvents", text="\n".join(f"{word(kind)}/{each['metadata']['name']}" for each in found))
    if not found:
        where.say("no events")
    return tabled("KubeEvents", rows_of(found, wanted.namespace), head=wanted.head) if found else Outcome("")


def _about(client: Client, wanted: Wanted) -> About | None:
    from sloth.kube.workloads.happenings import About

    if not wanted.about:
        return None
    kind, slash, name = wanted.about.partition("/")
    if not slash or not name:
        raise UsageError("kube/target", "--for takes one object", hint="sloth kube events --for pod/web")
    return About(client.run(client.kinds.find(kind)), name)


def rows_of(found: Sequence[Object], namespace: str) -> list[list[str]]:
    """The events as a table, titles first."""
    from datetime import UTC, datetime

    from sloth.kube.show import cell
    from sloth.kube.workloads.happenings import HEAD, row

    now, spaces = datetime.now(UTC), bool(namespace)
    return [(["NAMESPACE"] if spaces else []) + HEAD] + [
        [cell(word) for word in row(each, now, namespaces=spaces)] for each in found
    ]


def follow_events(where: Where, wanted: Wanted, stop: threading.Event | None = None) -> Outcome:
    """Print what there is, then each new one as it comes, until Ctrl-C or `stop`. Raises SlothError."""
    from sloth.kube.workloads.happenings import events
    from sloth.kube.workloads.happenings import wanted as of_types

    if wanted.form != "text":
        raise UsageError("kube/output", "events that are followed come as text", hint="sloth kube get events --watch -o json")
    with where.client() as client:
        about = _about(client, wanted)
        found = client.run(events(client.api, wanted.namespace or None, about=about, types=wanted.types))
        _write(where, wanted, found, head=wanted.head)
        seen = {(each["metadata"]["uid"], each["metadata"]["resourceVersion"]) for each in found}
        place = "*" if about and not about.resource.namespaced else wanted.namespace or None
        for event in client.watch("events", place, fields=about.fields() if about else "", stop=stop):
            meta = event.object["metadata"]
            known = (meta["uid"], meta["resourceVersion"]) in seen
            if event.type != "DELETED" and not known and of_types(event.object, wanted.types):
                _write(where, wanted, [event.object], head=False)
    return Outcome("")


def _write(where: Where, wanted: Wanted, found: Sequence[Object], *, head: bool) -> None:
    """A few lines, whole: of several clusters only one writes at a time."""
    import sys

    from sloth.kube.show import aligned

    rows = rows_of(found, wanted.namespace)
    if where.label:
        rows = [["CLUSTER", *rows[0]], *([where.label, *row] for row in rows[1:])]
    with where.once.lock:
        if found:
            sys.stdout.write(aligned(rows if head else rows[1:]) + "\n")
            sys.stdout.flush()
