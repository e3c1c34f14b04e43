"""`sloth kube cp`: its command line."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.kube_copy import copy
from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.model.options import Outcome


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "cp")
    def cp(
        where: Where,
        source: Annotated[str, typer.Argument(help="PATH, or [NAMESPACE/]POD:PATH.")],
        target: Annotated[str, typer.Argument(help="The same; one of both is in a pod.")],
        *,
        container: Annotated[str, typer.Option("--container", "-c", help="Container.", show_default=False)] = "",
        follow: Annotated[bool, typer.Option("--dereference", "-L", help="What links lead to, instead of links.")] = False,
    ) -> Outcome:
        """Copy a file or folder to or from a container, which must have `tar`."""
        return copy(where, source, target, container=container, follow=follow)
