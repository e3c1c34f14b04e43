"""`sloth init`: print a first cluster spec."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "init")
    def init(
        options: Options, name: Annotated[str, typer.Argument(help="The cluster's name.", metavar="NAME")] = "demo"
    ) -> Outcome:
        """Print a first cluster spec: sloth init > sloth.yaml"""
        from sloth.config.load import first_spec

        text = first_spec(name)
        return Outcome("Spec", data={"spec": text}, text=text)
