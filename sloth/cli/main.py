"""`sloth`: the verbs, registered. Everything heavy is imported inside the verbs."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from sloth import __version__
from sloth.cli import doctor, down, health, init, kubeconfig, plan, recover, ssh, status, unlock, up, validate
from sloth.cli.kube_verbs import HOMES
from sloth.cli.lazily import add_group

# The verb groups, in the order of `sloth --help`, and what its line says. Each is the module of its name.
GROUPS = {
    "nodes": "The cluster's nodes.",
    "state": "The record of each cluster: list, show, carry elsewhere, roll back.",
    "certs": "Certificates and keys: how long they last, and new ones.",
    "backup": "Sealed backups of the control plane: make, prove, put back.",
    "upgrade": "Bring the cluster to a newer Kubernetes version.",
    "providers": "What gives machines: clouds, this machine, existing hosts.",
    "mirror": "A mirror of the binaries and images that nodes need.",
    "config": "The cluster spec: effective values, schema.",
    "audit": "What was changed in clusters from this machine: show, verify.",
    "kube": "What is in a cluster: get, apply, logs …",
}

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


for module in (init, validate, plan, up, status, health, recover, ssh, kubeconfig, down, doctor, unlock):
    module.register(app)
for name, text in GROUPS.items():
    add_group(app, name, f"sloth.cli.{name}", text, HOMES if name == "kube" else {})


def run() -> None:
    """The console script's entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to fail
    app()
