"""`sloth kube apply` and `diff`: manifests against the cluster, by the apply engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_sources import with_sources
from sloth.cli.kube_where import Where
from sloth.errors import UsageError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.adapters.manifests.seal import KeySeal
    from sloth.adapters.manifests.sources import Sources
    from sloth.kube.applying.history import Note
    from sloth.kube.applying.inventory import Entry
    from sloth.kube.applying.manifests import Manifest
    from sloth.kube.applying.plan import ApplySet, Plan
    from sloth.kube.applying.saved import Saved
    from sloth.kube.client import Client

PlanFile = Annotated[
    Path | None, typer.Argument(metavar="[PLAN]", help="A plan of `diff --out`, instead of manifests.", show_default=False)
]
SetName = Annotated[
    str, typer.Option("--set", help="Name of the set that these make up: what left it can be pruned.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force-conflicts", help="Take over fields that other managers own.")]
Recreate = Annotated[bool, typer.Option("--recreate", help="Delete and make anew what cannot be changed otherwise.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete what was in the set and is not any more.")]
PruneGuarded = Annotated[
    bool, typer.Option("--prune-guarded", help="Also namespaces and custom kinds, with all that is in them.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; the server is asked, nothing is changed.")]
Out = Annotated[Path | None, typer.Option("--out", help="Save the plan here, for `apply FILE`.", show_default=False)]
Wait = Annotated[int, typer.Option("--wait", help="Then wait so many seconds until all is ready.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before something is deleted or made anew.")]

# The server shares itself out fairly (API Priority and Fairness), and says 429 when it is too much: nothing is held back here.
UNBOUND: dict[str, Any] = {"rate": 2000.0, "burst": 4000}


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @kube_verb(group, "apply", many=True)
    @with_sources
    def apply(
        where: Where,
        plan: PlanFile = None,
        *,
        sources: Sources,
        set_name: SetName = "",
        force: Force = False,
        recreate: Recreate = False,
        prune: Prune = False,
        prune_guarded: PruneGuarded = False,
        dry_run: DryRun = False,
        wait: Wait = 0,
        yes: Yes = False,
    ) -> Outcome:
        """Make the cluster what the manifests say: server-side apply, in stages, after a dry run of all of them."""
        how = How(set_name, force=force, recreate=recreate, prune=prune or prune_guarded, guarded=prune_guarded)
        if plan is not None:
            return apply_plan(where, plan, sources, how, dry_run=dry_run, yes=yes, wait=wait)
        return show(where, sources, how) if dry_run else apply_manifests(where, sources, how, yes=yes, wait=wait)

    @kube_verb(group, "diff", many=True)
    @with_sources
    def diff(
        where: Where,
        *,
        sources: Sources,
        set_name: SetName = "",
        force: Force = False,
        recreate: Recreate = False,
        prune: Prune = False,
        prune_guarded: PruneGuarded = False,
        out: Out = None,
    ) -> Outcome:
        """Show what applying would change, field by field; values of Secrets are masked."""
        how = How(set_name, force=force, recreate=recreate, prune=prune or prune_guarded, guarded=prune_guarded)
        return show(where, sources, how, out)


@dataclass(frozen=True)
class How:
    """The choices of one `apply`, `diff` or `rollback`."""

    set_name: str = ""
    force: bool = False
    recreate: bool = False
    prune: bool = False
    guarded: bool = False

    def __post_init__(self) -> None:
        if self.prune and not self.set_name:
            raise UsageError("kube/no-set", "--prune needs the name of a set", hint="--set NAME")

    def chosen(self, namespace: str) -> ApplySet | None:
        """The set, if one is named."""
        from sloth.kube.applying.plan import ApplySet

        return ApplySet(self.set_name, namespace, self.prune, self.guarded) if self.set_name else None


def planned(
    client: Client, manifests: Sequence[Manifest], chosen: ApplySet | None, how: How, *, at_once: bool = False
) -> Plan:  # fmt: skip
    """The plan. Raises SlothError."""
    from sloth.kube.applying.compare import make_plan

    return client.run(make_plan(client.api, manifests, chosen, force=how.force, recreate=how.recreate, at_once=at_once))


def show(where: Where, sources: Sources, how: How, out: Path | None = None) -> Outcome:
    """Plan only, and save the plan if asked to. Raises SlothError."""
    from sloth.cli.kube_render import render
    from sloth.cli.kube_sources import manifests
    from sloth.kube.applying.saved import Saved

    if out is not None and where.label:
        raise UsageError("kube/which-clusters", "a saved plan is for one cluster", hint="--cluster NAME instead of --clusters")
    with where.client(**UNBOUND) as client:
        chosen = how.chosen(client.api.namespace)
        plan = planned(client, manifests(where, sources), chosen, how)
        text = render(plan)
        if out is not None:
            saved = Saved(client.connection.cluster_id(), plan.changes, chosen, how.force, how.recreate)
            text += f"\nplan {_write(where, out, saved)[:12]} saved: sloth kube apply {out}"
    return Outcome("KubeDiff", text=text)


def _write(where: Where, out: Path, saved: Saved) -> str:
    """Save the plan, mode 0600; its digest. Never over what is no plan. Raises UsageError, StateError."""
    from sloth.adapters.durable import create_file, explained, replace_file
    from sloth.kube.applying.saved import KIND, save

    if out.exists() and f'"kind": "{KIND}"'.encode() not in out.read_bytes()[:400]:
        raise UsageError(
            "kube/no-plan", f"{out} is there already and is no plan: it is not overwritten", hint="give --out another name"
        )
    text, digest = save(saved, key_seal(where))
    with explained(out.parent):
        (replace_file if out.exists() else create_file)(out, text)
    return digest


def key_seal(where: Where) -> KeySeal:
    """What seals values of Secrets: this user's key."""
    from sloth.adapters.manifests.seal import KeySeal
    from sloth.adapters.paths import data_dir

    return KeySeal(data_dir(where.options.state_dir))


def apply_manifests(where: Where, sources: Sources, how: How, *, yes: bool, wait: int) -> Outcome:
    """Plan, ask if something goes, and carry it out. Raises SlothError."""
    from sloth.cli.kube_sources import manifests

    with where.client(**UNBOUND) as client:
        chosen = how.chosen(client.api.namespace)
        plan = planned(client, manifests(where, sources), chosen, how, at_once=True)
        return finish(where, client, plan, chosen, force=how.force, yes=yes, wait=wait)


def apply_plan(
    where: Where, path: Path, sources: Sources, how: How, *, dry_run: bool, yes: bool, wait: int
) -> Outcome:  # fmt: skip
    """Hold a saved plan against the cluster, and carry it out if the cluster is what it was made for. Raises SlothError."""
    from sloth.cli.kube_render import render
    from sloth.kube.applying.history import Note
    from sloth.kube.applying.saved import load, still

    if sources.named or how != How():
        raise UsageError(
            "kube/plan-options", "a plan says all by itself: what, how and which set", hint=f"sloth kube apply {path}"
        )
    if not path.is_file():
        raise UsageError("kube/no-file", f"there is no plan {path}", hint=f"sloth kube diff … --out {path}")
    with where.client(**UNBOUND) as client:
        saved = load(path.read_bytes(), key_seal(where), str(path), client.connection.cluster_id())
        again = How(saved.chosen.name if saved.chosen else "", force=saved.force, recreate=saved.recreate)
        plan = planned(client, saved.manifests(), saved.chosen, again)
        still(saved, plan, str(path))
        if dry_run:
            return Outcome("KubeDiff", text=render(plan))
        note = Note(digest=saved.digest)
        # Whoever saved the plan saw what goes; applying it is the answer to the question.
        return finish(where, client, plan, saved.chosen, force=saved.force, yes=True, wait=wait, note=note)


def finish(
    where: Where, client: Client, plan: Plan, chosen: ApplySet | None, *, force: bool, yes: bool, wait: int,
    note: Note | None = None,
) -> Outcome:  # fmt: skip
    """Ask if something goes, carry the plan out, remember it, wait. Raises SlothError."""
    from sloth.cli.kube_render import render

    gone = [each for each in plan.changes if each.action in ("delete", "recreate")]
    if gone and not yes:
        question = f"delete {len(gone)} objects{', and make anew those marked with ±' if any(x.why for x in gone) else ''}?"
        where.confirm(question, render(plan))
    done = _carried_out(where, client, plan, chosen, force=force, note=note)
    if wait:
        from sloth.kube.waiting import wait_current

        found = [(client.run(client.kinds.find(each.resource)), each.namespace, each.name) for each in done]
        client.run(wait_current(client.api, found, wait))
    return Outcome("KubeApply", text=render(plan))


def _carried_out(
    where: Where, client: Client, plan: Plan, chosen: ApplySet | None, *, force: bool, note: Note | None
) -> list[Entry]:
    from dataclasses import replace
    from datetime import UTC, datetime

    from sloth.kube.applying.run import carry_out

    if chosen is None:
        return client.run(carry_out(client.api, plan, force=force), plan.digest)
    from sloth.kube.applying.history import Note, recorded

    said = note or Note()
    said = replace(said, when=datetime.now(UTC).isoformat(timespec="seconds"), digest=said.digest or plan.digest)
    return client.run(recorded(client.api, plan, chosen, key_seal(where), said, force=force), said.digest)
