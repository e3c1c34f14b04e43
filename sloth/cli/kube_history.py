"""`sloth kube history` and `rollback`: the last applies of a set, and back to one of them."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.kube_apply import UNBOUND, Force, How, Recreate, Wait, Yes, finish, key_seal, planned
from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.model.options import Outcome

SetName = Annotated[str, typer.Argument(metavar="SET", help="Name of the set, as at `apply --set`.")]
To = Annotated[
    int, typer.Option("--to", help="Number of the apply. Default: the last complete one before the latest.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; nothing is changed.")]


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @kube_verb(group, "history", many=True)
    def history(where: Where, set_name: SetName) -> Outcome:
        """List the last applies of a set."""
        return list_history(where, set_name)

    @kube_verb(group, "rollback", many=True)
    def rollback(
        where: Where,
        set_name: SetName,
        *,
        to: To = 0,
        force: Force = False,
        recreate: Recreate = False,
        dry_run: DryRun = False,
        wait: Wait = 0,
        yes: Yes = False,
    ) -> Outcome:
        """Apply again what was applied then; what came to the set since is deleted."""
        return roll_back(
            where, How(set_name, force=force, recreate=recreate, prune=True), to, dry_run=dry_run, yes=yes, wait=wait
        )


def list_history(where: Where, set_name: str) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.cli.kube_many import tabled
    from sloth.kube.applying.history import history
    from sloth.kube.applying.plan import ApplySet

    with where.client() as client:
        known = client.run(history(client.api, ApplySet(set_name, client.api.namespace)))
    if not known:
        return Outcome("KubeHistory", text=f"nothing was applied as set {set_name} in namespace {client.api.namespace}")
    rows = [["APPLY", "WHEN", "BY", "OBJECTS", "CREATED", "CHANGED", "DELETED", "PLAN", "RESULT"]]
    for each in known:
        note = each.note
        counts = [str(number) for number in (note.objects, note.created, note.changed, note.deleted)]
        result = ("complete" if note.done else "broke off") + (f", {note.why}" if note.why else "")
        rows.append([str(each.number), note.when or "-", note.by or "-", *counts, note.digest[:12] or "-", result])
    return tabled("KubeHistory", rows)


def roll_back(where: Where, how: How, number: int, *, dry_run: bool, yes: bool, wait: int) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.cli.kube_render import render
    from sloth.kube.applying.history import Note, chosen_one, history, objects

    with where.client(**UNBOUND) as client:
        chosen = how.chosen(client.api.namespace)
        assert chosen is not None  # noqa: S101  the name of the set is an argument
        kept = chosen_one(client.run(history(client.api, chosen)), chosen, number)
        plan = planned(client, objects(kept, chosen, key_seal(where)), chosen, how)
        if dry_run:
            return Outcome("KubeDiff", text=render(plan))
        note = Note(why=f"rollback to {kept.number}")
        return finish(where, client, plan, chosen, force=how.force, yes=yes, wait=wait, note=note)
