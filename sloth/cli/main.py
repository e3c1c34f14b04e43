"""`sloth`: the verbs, registered. Everything heavy is imported inside the verbs."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from sloth import __version__
from sloth.cli import (
    audit,
    backup,
    certs,
    config,
    doctor,
    down,
    health,
    init,
    kubeconfig,
    mirror,
    nodes,
    plan,
    providers,
    recover,
    ssh,
    state,
    status,
    unlock,
    up,
    upgrade,
    validate,
)
from sloth.cli.lazily import add_group

app = typer.Typer(
    name="sloth",
    no_args_is_help=True,
    help="One YAML file, one command, one highly available Kubernetes cluster.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sloth {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """One YAML file, one command, one highly available Kubernetes cluster."""


for module in (
    init, validate, plan, up, upgrade, status, health, certs, recover, nodes, ssh, kubeconfig, down, doctor, unlock, config,
    mirror, state, providers, backup, audit,
):  # fmt: skip
    module.register(app)
add_group(app, "kube", "sloth.cli.kube", "What is in a cluster: get, apply, logs …")


def run() -> None:
    """The console script's entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to fail
    app()
