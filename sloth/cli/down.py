"""`sloth down`: delete the cluster, and prove that nothing is left."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for the cluster's name to be typed.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "down")
    def down(options: Options, yes: Yes = False) -> Outcome:
        """Delete the cluster: machines, networks, volumes; then look again and say what is left."""
        return take_down(options, yes=yes)


def take_down(options: Options, *, yes: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.app import known_spec, type_name
    from sloth.desk import desk
    from sloth.flows.down import phases

    loaded = known_spec(options)
    spec = loaded.spec
    if spec.protect:
        raise UsageError(
            "down/protected",
            f"{spec.name} is protected",
            detail="spec.protect is true",
            hint="set spec.protect to false in the spec, then sloth down",
        )
    with desk(options, loaded, "down") as here:
        going = here.resources()
        if going and not yes:
            type_name(spec.name, going)
        existing = any(pool.hosts for pool in spec.pools)
        here.run(phases(here.tools, existing=existing), here.cluster(as_recorded=True))
        here.forget()
    data = {"cluster": spec.name, "deleted": going, "left": []}
    return Outcome("Down", data=data, text=f"{spec.name}: {len(going)} deleted, 0 left")
