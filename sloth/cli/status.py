"""`sloth status`: the cluster as it is now, from live answers only."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sloth.cli.looking import Every, Watch, look, outcome_of, watched
from sloth.cli.options import verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

Drift = Annotated[bool, typer.Option("--drift", help="Compare everything with the spec, layer by layer; changes nothing.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "status")
    def status(options: Options, *, watch: Watch = False, every: Every = 5.0, drift: Drift = False) -> Outcome:
        """Ask every node once and show what it says; what could not be read is `unknown`."""
        if drift and watch:
            raise UsageError("usage/not-together", "--drift and --watch do not go together", hint="sloth status --drift")
        if drift:
            from sloth.cli.drift import show_drift

            return show_drift(options)
        if watch:
            return watched(options, lambda: show_status(options, quiet=True), every)
        return show_status(options)


def show_status(options: Options, *, quiet: bool = False) -> Outcome:
    """The verb without its command line. The exit code is that of the severity. Raises SlothError."""
    data, report = look(options, "status", quiet=quiet)
    return outcome_of("Status", data, report, lambda chosen: _show(data, chosen))


def _show(data: dict[str, Any], options: Options) -> None:
    from sloth.ui.backup_table import proven
    from sloth.ui.health_table import problems
    from sloth.ui.tables import nodes

    nodes(data, options)
    proven(data, options)
    problems(data, options)
