"""`sloth down`: delete the cluster, and prove that nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.options import SummaryFile, verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.cli.summarize import Page

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for the cluster's name to be typed.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "down")
    def down(options: Options, yes: Yes = False, summary: SummaryFile = None) -> Outcome:
        """Delete the cluster: machines, networks, volumes; then look again and say what is left."""
        return take_down(options, yes=yes, summary=summary)


def take_down(options: Options, *, yes: bool, summary: Path | None = None) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.cli.summarize import summarized
    from sloth.ui.summary import down_lines

    with summarized(summary, "down") as page:
        data = _take_down(options, page, yes=yes)
        page.lines = down_lines(data)
    what = "billable resources " if data["billed"] else ""
    return Outcome("Down", data=data, text=f"{data['cluster']}: {len(data['deleted'])} deleted, 0 {what}left")


def _take_down(options: Options, page: Page, *, yes: bool) -> dict[str, Any]:
    from sloth import registry
    from sloth.app import known_spec, type_name
    from sloth.contracts.cloud import Cloud
    from sloth.desk import desk
    from sloth.flows.down import phases

    loaded = known_spec(options)
    spec = loaded.spec
    page.cluster = spec.name
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
        billed = any(isinstance(registry.provider(name), Cloud) for name in {pool.provider for pool in spec.pools})
    return {"cluster": spec.name, "deleted": going, "left": [], "billed": billed}
