"""`sloth ssh`: a shell, or one command, on a node; host key verified."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "ssh")
    def ssh(
        options: Options,
        node: Annotated[str, typer.Argument(help="The node's name.", metavar="NODE")],
        command: Annotated[list[str] | None, typer.Argument(help="Command to run there, after `--`.", metavar="-- CMD")] = None,
    ) -> Outcome:
        """Open a shell on a node, or run a command there: sloth ssh work-1 -- uptime"""
        return open_shell(options, node, command or [])


def open_shell(options: Options, name: str, command: list[str]) -> Outcome:
    """The verb without its command line; exits with the command's own code. Raises SlothError."""
    from sloth.adapters.ssh import interactive
    from sloth.app import known_spec
    from sloth.desk import desk
    from sloth.phases.survey import Survey

    with desk(options, known_spec(options), "ssh", lock=False, quiet=True) as here:
        cluster = here.run([Survey()], here.cluster(as_recorded=True))
        names = [node.name for node in cluster.nodes]
        if name not in names:
            raise UsageError(
                "usage/unknown-node",
                f"{cluster.spec.name} has no running node `{name}`",
                detail=f"running: {', '.join(names) or 'none'}",
                hint="sloth nodes list",
            )
        login = here.login(cluster.node(name))
        code = interactive(login, shlex.join(command) if len(command) > 1 else "".join(command))
    return Outcome("Ssh", data={"node": name, "exit": code}, exit=code)
