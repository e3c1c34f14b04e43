"""`sloth validate`: every problem of a spec at once."""

from __future__ import annotations

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "validate")
    def validate(options: Options) -> Outcome:
        """Check the cluster spec and report every problem at once."""
        from sloth.app import load

        loaded = load(options)
        spec = loaded.spec
        count = sum(pool.count for pool in spec.pools)
        data = {"cluster": spec.name, "nodes": count, "pools": [pool.name for pool in spec.pools]}
        return Outcome("Validation", data=data, text=f"{spec.name}: valid, {count} nodes in {len(spec.pools)} pools")
