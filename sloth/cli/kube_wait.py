"""`sloth kube wait`: until objects are ready, have a condition or a value, are there, or are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_named import Seconds
from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import KubernetesError, UsageError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.resource import Resource
    from sloth.kube.wire import Object
    from sloth.kube.workloads.awaited import Wanted

Target = tuple["Resource", str, str]
What = Annotated[list[str] | None, typer.Argument(help="KIND NAME…, KIND/NAME…, or KIND with --selector or --all.")]
Files = Annotated[
    list[str] | None, typer.Option("--filename", "-f", help="What these manifests name; - for stdin.", show_default=False)
]
For = Annotated[
    str,
    typer.Option(
        "--for", help="condition=NAME[=VALUE], jsonpath=PATH[=VALUE], create or delete. Default: ready.", show_default=False
    ),
]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Those with these labels: app=web,tier!=db.", show_default=False)]
Fields = Annotated[
    str, typer.Option("--field-selector", help="Those with these fields: status.phase=Failed.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="All objects of the kind in the namespace.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
EVERY = 1.0  # seconds between two looks


@dataclass(frozen=True)
class Which:
    """The objects that are meant, in the command line's own words."""

    what: Sequence[str] = ()
    files: Sequence[str] = ()
    labels: str = ""
    fields: str = ""
    every: bool = False
    everywhere: bool = False

    @property
    def selected(self) -> bool:
        """Whether the cluster says which objects these are, and not the command line."""
        return bool(self.labels or self.fields or self.every)


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "wait", many=True)
    def wait(
        where: Where,
        what: What = None,
        *,
        files: Files = None,
        until: For = "",
        labels: Labels = "",
        fields: Fields = "",
        every: All = False,
        everywhere: Everywhere = False,
        timeout: Seconds = 300.0,
    ) -> Outcome:
        """Wait until objects are what their specs say (rolled out, ready, bound, complete), or what --for says."""
        return wait_for(where, Which(what or (), files or (), labels, fields, every, everywhere), until, timeout)


def wait_for(where: Where, which: Which, until: str, seconds: float) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.kube.workloads.awaited import CREATE, DELETE, wanted

    wish = wanted(until)
    if bool(which.files) == bool(which.what) or (which.files and which.selected):
        raise UsageError("kube/target", "name objects, or files that name them", hint="sloth kube wait deploy/web")
    with where.client() as client:
        found = _targets(where, client, which)
        if not found and wish.word == CREATE:
            found = _appeared(where, client, which, seconds)
        if not found and wish.word != DELETE:
            raise KubernetesError("kube/nothing-there", "there is nothing to wait for", hint="look with: sloth kube get")
        _wait(client, found, wish, seconds)
    if not found:
        where.say("nothing found")
    return Outcome("KubeWait", text="\n".join(f"{kind.singular or kind.plural}/{name} {wish.text}" for kind, _, name in found))


def _targets(where: Where, client: Client, which: Which) -> list[Target]:
    from sloth.cli.kube_get import targets
    from sloth.cli.kube_sources import named_in

    if which.files:
        return named_in(where, client, which.files)
    found: list[Target] = []
    for kind, names in client.run(targets(client.api, which.what)):
        if bool(names) == which.selected:
            raise UsageError(
                "kube/target", "either names or a selector says which objects are meant", hint="sloth kube wait deploy/web"
            )
        found += [(kind, client.api.place(kind, None), name) for name in names]
        if not names:
            space = "*" if which.everywhere else None
            items = client.each(kind, space, labels=which.labels, fields=which.fields)
            found += [(kind, item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items]
    return found


def _appeared(where: Where, client: Client, which: Which, seconds: float) -> list[Target]:
    """Look until a selector finds something; nothing if it does not in that time."""
    from sloth.kube.wire import Call, Pause

    def pause() -> Call[None]:
        yield Pause(EVERY)

    for _ in range(max(0, round(seconds / EVERY))):
        client.run(pause())
        found = _targets(where, client, which)
        if found:
            return found
    return []


def _wait(client: Client, found: Sequence[Target], wish: Wanted, seconds: float) -> None:
    from sloth.kube.fronts.waits import until_so
    from sloth.kube.waiting import wait_current
    from sloth.kube.workloads.awaited import DELETE, READY
    from sloth.kube.workloads.deleting import Target as Goner
    from sloth.kube.workloads.deleting import wait_gone
    from sloth.kube.workloads.listing import looked_up

    if wish.word == READY:
        client.run(wait_current(client.api, found, seconds))
    elif wish.word == DELETE:
        there: list[Object | None] = client.run(looked_up(found))
        gone = [Goner(*each, item["metadata"]["uid"]) for each, item in zip(found, there, strict=True) if item]
        client.run(wait_gone(gone, seconds))
    else:
        client.run(until_so(found, wish.holds, seconds, EVERY))
