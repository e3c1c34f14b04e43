"""`sloth kube scale`: how many replicas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from sloth.cli.kube_named import All, Labels, chosen
from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.model.options import Outcome

What = Annotated[list[str], typer.Argument(help="KIND NAME…, KIND/NAME…, or KIND with --selector.")]
Replicas = Annotated[int, typer.Option("--replicas", min=0, help="How many there shall be.")]
Current = Annotated[int, typer.Option("--current-replicas", help="Only if there are so many now.", show_default=False)]
Version = Annotated[str, typer.Option("--resource-version", help="Only if the object did not change.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="The server is asked, nothing is changed.")]
Wait = Annotated[int, typer.Option("--wait", help="Then wait so many seconds until all are ready.", show_default=False)]


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "scale", many=True)
    def scale(
        where: Where,
        what: What,
        *,
        replicas: Replicas,
        current: Current = -1,
        version: Version = "",
        labels: Labels = "",
        every: All = False,
        dry_run: DryRun = False,
        wait: Wait = 0,
    ) -> Outcome:
        """Set the replicas of Deployments, StatefulSets, ReplicaSets, and of custom kinds that have some."""
        only = Only(None if current < 0 else current, version)
        return scale_objects(where, what, replicas, only, labels=labels, every=every, dry_run=dry_run, wait=wait)


@dataclass(frozen=True)
class Only:
    """What must hold before anything is changed."""

    current: int | None = None
    version: str = ""


def scale_objects(
    where: Where,
    what: Sequence[str],
    replicas: int,
    only: Only,
    *,
    labels: str,
    every: bool = False,
    dry_run: bool,
    wait: float,
) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.kube.waiting import wait_current
    from sloth.kube.workloads.scaling import scale, scale_all

    with where.client() as client:
        api = client.api
        named = chosen(client, what, labels, "sloth kube scale deploy/web --replicas 3", every=every)
        found = [(kind, api.place(kind, None), name) for kind, name in named]
        if only == Only():
            client.run(scale_all(api, found, replicas, dry_run=dry_run))
        else:
            for kind, place, name in found:
                once = scale(api, kind, name, replicas, place, current=only.current, version=only.version, dry_run=dry_run)
                client.run(once)
        if wait and not dry_run:
            client.run(wait_current(api, found, wait))
    if not found:
        where.say("nothing found")
    word = f"would have {replicas} replicas (dry run)" if dry_run else f"has {replicas} replicas now"
    return Outcome("KubeScale", text="\n".join(f"{kind.singular or kind.plural}/{name} {word}" for kind, _, name in found))
