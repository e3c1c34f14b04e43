"""`sloth config`: the effective spec, and the schema."""

from __future__ import annotations

import json

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "show")
    def show(options: Options) -> Outcome:
        """Print the effective spec with defaults marked."""
        from sloth.app import load
        from sloth.config.show import effective

        loaded = load(options)
        return Outcome("EffectiveSpec", data=dict(loaded.raw), text=effective(loaded))

    @verb(group, "schema")
    def schema(options: Options) -> Outcome:
        """Print the JSON Schema of the spec, bundled plugins included."""
        from sloth.config.check import schema as published

        document = published()
        return Outcome("Schema", data=document, text=json.dumps(document, indent=2))
