"""`sloth health`: every thing that was looked at, and how it is."""

from __future__ import annotations

import typer

from sloth.cli.looking import Every, Watch, look, outcome_of, watched
from sloth.cli.options import verb
from sloth.model.options import Options, Outcome


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "health")
    def health(options: Options, *, watch: Watch = False, every: Every = 5.0) -> Outcome:
        """Nodes, etcd, pods, mesh, certificates, disks, clocks, versions: each with its severity and what to do."""
        if watch:
            return watched(options, lambda: show_health(options, quiet=True), every)
        return show_health(options)


def show_health(options: Options, *, quiet: bool = False) -> Outcome:
    """The verb without its command line. The exit code is that of the severity. Raises SlothError."""
    from sloth.ui.health_table import findings

    data, report = look(options, "health", quiet=quiet)
    return outcome_of("Health", data, report, lambda chosen: findings(data, chosen))
