"""`sloth unlock`: take away a dead run's lock."""

from __future__ import annotations

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "unlock")
    def unlock(options: Options) -> Outcome:
        """Remove the lock of a run that died. Refused while its owner lives."""
        from sloth.app import cluster_name, data_root, state_of
        from sloth.clouds import unlock_engine

        name = cluster_name(options)
        state_of(options, name).unlock(force=True)
        engines = unlock_engine(name, data_root(options), options.state)
        text = "\n".join([f"{name} is unlocked", *(f"the engine's lock of {who} was taken away" for who in engines)])
        return Outcome("Unlock", data={"cluster": name, "engines": engines}, text=text)
