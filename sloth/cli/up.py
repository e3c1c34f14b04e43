"""`sloth up`: make the cluster what the spec says."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, as `sloth plan` does.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Remove nodes that the spec no longer has, without asking.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "up")
    def up(options: Options, dry_run: DryRun = False, yes: Yes = False) -> Outcome:
        """Make the cluster what the spec says: create, join, remove. Run it again at any time."""
        if dry_run:
            from sloth.cli.plan import show_plan

            return show_plan(options)
        return bring_up(options, yes=yes)


def bring_up(options: Options, *, yes: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.app import confirm, load
    from sloth.desk import desk
    from sloth.flows.up import phases

    loaded = load(options)
    with desk(options, loaded, "up") as here:
        cluster = here.cluster()
        going = [lease.name for lease in cluster.plan.remove]
        if going and not yes:
            confirm(f"These nodes are no longer in the spec and will be drained and deleted: {', '.join(going)}. Go on?")
        cluster = here.run(phases(here.tools), cluster)
        here.remember_document()
        changed = sorted(cluster.changed)
        data = {
            "cluster": cluster.spec.name,
            "changed": changed,
            "nodes": [node.name for node in cluster.nodes],
            "kubernetes": cluster.version,
            "api": f"https://{cluster.endpoint}",
            "round_trips": here.transport.round_trips,
            "seconds": round(here.elapsed, 1),
        }
    name = cluster.spec.name
    what = f"{name}: {len(cluster.nodes)} nodes Ready, Kubernetes {cluster.version}"
    news = f"changed: {', '.join(changed)}" if changed else "nothing to change"
    return Outcome("Up", data=data, text=f"{what}; {news} ({data['seconds']} s)\nnext: {next_step(options)}")


def next_step(options: Options) -> str:
    """What a user most likely types after `up`, with the same `-f`."""
    files = "".join(f" -f {path}" for path in options.files)
    return f"sloth kubeconfig{files} --merge"
