"""`sloth recover`: what is wrong, what would be done about it, and, after a yes, the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.options import verb
from sloth.errors import KubernetesError
from sloth.model.options import Options, Outcome
from sloth.model.words import counted

if TYPE_CHECKING:
    from sloth.desk import Desk
    from sloth.health.diagnosis import Ailment
    from sloth.model.cluster import Cluster

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do the work without asking; nodes are made anew only if named.")]
Replace = Annotated[
    list[str] | None,
    typer.Option("--replace", metavar="NODE", help="This node may be deleted and made anew; repeat.", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Diagnosis and plan only.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "recover")
    def recover(options: Options, *, dry_run: DryRun = False, yes: Yes = False, replace: Replace = None) -> Outcome:
        """Find out what is wrong with a cluster, show what can be done, and do it after a yes."""
        return recover_cluster(options, dry_run=dry_run, yes=yes, anew=replace or ())


def recover_cluster(options: Options, *, dry_run: bool = False, yes: bool = False, anew: Sequence[str] = ()) -> Outcome:
    """The verb without its command line. Raises SlothError: what only a person can decide is never done on the side."""
    from sloth.app import confirm, known_spec
    from sloth.desk import desk

    loaded = known_spec(options)
    with desk(options, loaded, "recover", lock=not dry_run) as here:
        found = _diagnosis(here)
        plan = [ailment for ailment in found if _doable(ailment, anew)]
        if not found or dry_run:
            return _outcome(here, found, left=found)
        if not plan:
            raise _by_hand(found)
        if not yes:
            confirm(f"{_listed(found)}\n{len(plan)} of {len(found)} can be dealt with now. Go on?")
        _cure(here, plan)
        left = _diagnosis(here)
        if left:
            raise _by_hand(left)
        return _outcome(here, found, left=left)


def _doable(ailment: Ailment, anew: Sequence[str]) -> bool:
    """A node that does not answer may hold what nobody else has: it is made anew only when it was named."""
    return ailment.cure in ("services", "certificates", "member", "up") or (ailment.cure == "replace" and ailment.node in anew)


def _diagnosis(here: Desk) -> list[Ailment]:
    from sloth.flows.recover import diagnosis

    found: list[Ailment] = []
    here.run(diagnosis(here.tools, found.extend), here.cluster(as_recorded=True))
    return found


def _cure(here: Desk, plan: Sequence[Ailment]) -> None:
    from sloth.flows import recover
    from sloth.flows.replace import leaving

    def of(cure: str) -> list[str]:
        return [ailment.node for ailment in plan if ailment.cure == cure]

    if of("services"):
        here.run(recover.services(here.tools, of("services")), here.cluster(as_recorded=True))
    if of("certificates"):
        here.run(recover.certificates(here.tools, of("certificates")), here.cluster(as_recorded=True))
    if of("member"):
        here.run(recover.members(here.tools, of("member")), here.cluster(as_recorded=True))
    if of("replace"):
        here.run(recover.again(here.tools), leaving(here.cluster(), of("replace")))
        here.run(recover.again(here.tools), here.cluster())
    elif of("up") or of("member"):
        here.run(recover.again(here.tools), _as_it_was(here))


def _as_it_was(here: Desk) -> Cluster:
    """The nodes of the record, without what the spec may ask for beside them; removals that were begun are finished."""
    from sloth.model.plan import Plan

    record = here.record
    going = tuple(lease for lease in record.leases if record.node(lease.name).leaving)
    staying = tuple(lease for lease in record.leases if lease not in going)
    plan = Plan(leases=staying, keep=tuple(lease.name for lease in staying), remove=going)
    return replace(here.cluster(as_recorded=True), plan=plan)


def _listed(found: Sequence[Ailment]) -> str:
    return "\n".join(f"  {ailment.node or 'cluster'}: {ailment.cause} -> {_WORDS[ailment.cure]}" for ailment in found)


_WORDS = {
    "services": "start its services",
    "certificates": "renew its certificates",
    "member": "take it out of the cluster, put its data aside, and have it join again with a copy of the others'",
    "up": "bring it back as `sloth up` does",
    "replace": "delete its machine and make it anew (name it with --replace)",
    "by-hand": "decide by hand",
}


def _by_hand(found: Sequence[Ailment]) -> KubernetesError:
    return KubernetesError(
        "recover/needs-decision",
        f"{counted(len(found), 'thing')} cannot be dealt with without a decision",
        detail=_listed(found),
        where=found[0].node,
        hint=found[0].command,
    )


def _outcome(here: Desk, found: Sequence[Ailment], *, left: Sequence[Ailment]) -> Outcome:
    data: dict[str, Any] = {
        "cluster": here.loaded.spec.name,
        "found": [asdict(ailment) for ailment in found],
        "left": [asdict(ailment) for ailment in left],
        "seconds": round(here.elapsed, 1),
    }
    if not found:
        return Outcome(
            "Recovery", data=data, text=f"{data['cluster']}: nothing is wrong that could be recovered\nnext: sloth health"
        )
    if left:
        text = f"{data['cluster']}: found\n{_listed(found)}\nnext: sloth recover"
        return Outcome("Recovery", data=data, text=text, exit=3)
    return Outcome("Recovery", data=data, text=f"{data['cluster']}: recovered\n{_listed(found)}\nnext: sloth health")
