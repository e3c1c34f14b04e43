"""`sloth up`: make the cluster what the spec says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.options import SummaryFile, Targets, verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.config.load import Loaded
    from sloth.desk import Desk
    from sloth.model.plan import SavedPlan

PlanFile = Annotated[
    Path | None,
    typer.Argument(metavar="[PLAN]", help="A plan that `sloth plan --out` saved: exactly that, or nothing.", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, as `sloth plan` does.")]
Replace = Annotated[
    list[str] | None,
    typer.Option(
        "--replace", metavar="NODE", help="Make this node anew: drained, deleted, joined again; repeat.", show_default=False
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Remove nodes that the spec no longer has, without asking.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "up")
    def up(
        options: Options,
        *,
        plan: PlanFile = None,
        dry_run: DryRun = False,
        yes: Yes = False,
        target: Targets = None,
        replace: Replace = None,
        summary: SummaryFile = None,
    ) -> Outcome:
        """Make the cluster what the spec says: create, join, remove. Run it again at any time."""
        if dry_run and plan is None:
            from sloth.cli.plan import show_plan

            return show_plan(options, targets=target or (), summary=summary)
        _fit_together(plan, {"--dry-run": dry_run, "--target": target, "--replace": replace})
        return bring_up(options, yes=yes, plan=plan, targets=target or (), anew=replace or (), summary=summary)


def _fit_together(plan: Path | None, others: Mapping[str, object]) -> None:
    given = [name for name, value in others.items() if value]
    if plan is not None and given:
        raise UsageError(
            "usage/plan-and-more",
            f"a plan file says all that is to be done: it does not go with {given[0]}",
            hint=f"sloth up {plan}",
        )
    if len(given) > 1:
        raise UsageError("usage/not-together", f"{' and '.join(given)} do not go together", hint=f"sloth up {given[-1]} NODE")


def bring_up(
    options: Options,
    *,
    yes: bool,
    plan: Path | None = None,
    targets: Sequence[str] = (),
    anew: Sequence[str] = (),
    summary: Path | None = None,
    loaded: Loaded | None = None,
    prepare: Callable[[Desk], Sequence[str]] | None = None,
) -> Outcome:
    """The verb without its command line. Raises SlothError.

    `loaded` = a spec that is not (yet) the one in the file. `prepare` is called first under the cluster's lock, and answers
    which nodes were agreed to leave.
    """
    from sloth.app import load
    from sloth.cli.summarize import summarized
    from sloth.planning import rehearse, still_true
    from sloth.ui.summary import up_lines

    with summarized(summary, "up") as page:
        then: SavedPlan | None = None
        loaded = loaded or load(options)
        page.cluster = loaded.spec.name
        if plan is not None:
            from sloth.adapters.plan_file import load as load_plan

            then = load_plan(plan, loaded.spec.name)
            still_true(then, options, loaded)
            targets, yes = then.plan["targets"], True
        elif targets:
            rehearse(options, loaded, targets)  # refuses what cannot be done safely before anything is touched
        data, nodes = _run(options, loaded, targets, then, anew=anew, yes=yes, prepare=prepare)
        page.lines = up_lines(data, nodes)
    changed = data["changed"]
    what = f"{data['cluster']}: {len(nodes)} nodes Ready, Kubernetes {data['kubernetes']}"
    news = f"changed: {', '.join(changed)}" if changed else "nothing to change"
    return Outcome("Up", data=data, text=f"{what}; {news} ({data['seconds']} s)\nnext: {next_step(options)}")


def _run(
    options: Options,
    loaded: Loaded,
    targets: Sequence[str],
    then: SavedPlan | None,
    *,
    anew: Sequence[str],
    yes: bool,
    prepare: Callable[[Desk], Sequence[str]] | None,
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What is reported as data, and a row for each node."""
    from sloth.app import confirm
    from sloth.desk import desk
    from sloth.planning import flow, same_revision

    with desk(options, loaded, "up") as here:
        if then is not None:
            same_revision(then, here.record)
        agreed = set(prepare(here)) if prepare else set()
        if anew:
            _take_out(here, anew, yes=yes)
        cluster, phases = flow(here.cluster(), here.tools, targets)
        going = [lease.name for lease in cluster.plan.remove]
        if not (yes or agreed.issuperset(going)):
            confirm(f"These nodes are no longer in the spec and will be drained and deleted: {', '.join(going)}. Go on?")
        cluster = here.run(phases, cluster)
        here.remember_document()
        data = {
            "cluster": cluster.spec.name,
            "changed": sorted(cluster.changed),
            "nodes": [node.name for node in cluster.nodes],
            "kubernetes": cluster.version,
            "api": f"https://{cluster.endpoint}",
            "round_trips": here.transport.round_trips,
            "seconds": round(here.elapsed, 1),
        }
    rows = [
        {"node": x.name, "role": x.role, "provider": x.lease.provider, "address": x.machine.address, "mesh": x.mesh_address}
        for x in cluster.nodes
    ]
    return data, rows


def _take_out(here: Desk, names: Sequence[str], *, yes: bool) -> None:
    """The first half of a replacement."""
    from sloth.app import confirm
    from sloth.flows.nodes import may_leave
    from sloth.flows.replace import leaving
    from sloth.flows.up import phases
    from sloth.phases.upgrade_versions import refuse_other_version

    refuse_other_version(here.cluster())
    coming = here.cluster().plan.add  # an earlier run was cut off between taking out and making anew
    names = [name for name in names if name not in coming]
    if not names:
        return
    cluster = leaving(here.cluster(), names)
    if not yes:
        confirm(f"These nodes will be drained, deleted and made anew: {', '.join(names)}. Go on?")
    here.run(may_leave(here.tools, names), here.cluster(as_recorded=True))
    here.run(phases(here.tools), cluster)


def next_step(options: Options) -> str:
    """What a user most likely types after `up`, with the same `-f`."""
    files = "".join(f" -f {path}" for path in options.files)
    return f"sloth kubeconfig{files} --merge"
