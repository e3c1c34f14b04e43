"""`sloth plan`: what `sloth up` would do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sloth.cli.options import SummaryFile, Targets, verb
from sloth.model.options import Options, Outcome

CHANGES = 3  # exit code of --exit-code when there is something to do
PlanOutput = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="text|json|FILE", help="Form of the result on stdout; or a file to save the plan in, as --out."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Save the plan there, for `sloth up FILE`.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="The same as --output json.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with 3 if there is something to do, 0 if not.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "plan", output=PlanOutput, adapt=adapt)
    def plan(
        options: Options,
        *,
        out: Out = None,
        target: Targets = None,
        json: Json = False,
        exit_code: ExitCode = False,
        summary: SummaryFile = None,
    ) -> Outcome:
        """Show what `sloth up` would do: machines, mesh, steps on every node, Kubernetes. Changes nothing."""
        return show_plan(options, out=out, targets=target or (), exit_code=exit_code, summary=summary)


def adapt(values: dict[str, Any]) -> None:
    """`-o FILE` becomes `--out FILE`, and `--json` becomes `-o json`. Raises typer.BadParameter for what looks like neither."""
    word = values["output"]
    if word not in ("text", "json"):
        if not {"/", "."} & set(word):
            raise typer.BadParameter(
                f"`{word}` is neither text nor json; if it is a file: --out {word}", param_hint="'--output' / '-o'"
            )
        if values["out"] not in (None, Path(word)):
            raise typer.BadParameter("the plan can be saved in one file only", param_hint="'--output' / '-o'")
        values.update(out=Path(word), output="text")
    if values["json"]:
        values["output"] = "json"


def show_plan(
    options: Options,
    *,
    out: Path | None = None,
    targets: Sequence[str] = (),
    exit_code: bool = False,
    summary: Path | None = None,
) -> Outcome:
    """Run the flow of `up` with rehearsing adapters and show what it asked for. Raises SlothError."""
    from sloth.adapters.plan_file import check_target, save
    from sloth.app import load
    from sloth.cli.summarize import summarized
    from sloth.engine.plan_data import changes
    from sloth.planning import rehearse, saved
    from sloth.ui.summary import plan_lines

    with summarized(summary, "plan") as page:
        if out:
            check_target(out)
        loaded = load(options)
        page.cluster = loaded.spec.name
        found = rehearse(options, loaded, targets)
        data: dict[str, Any] = dict(found.data)
        if out:
            plan = saved(loaded, revision=found.revision, version=found.version, data=found.data, world=found.world)
            data["saved"] = {"file": str(out), "digest": save(out, plan)}
        page.lines = plan_lines(data)
    code = CHANGES if exit_code and changes(data) else 0
    return Outcome("Plan", data=data, show=lambda chosen: _show(data, chosen), exit=code)


def _show(data: dict[str, Any], options: Options) -> None:
    from sloth.ui.plan_table import plan

    plan(data, options)
