"""`sloth kube delete`: objects by name, by selector or by file, and waiting until they are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import UsageError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.workloads.deleting import How, Target

MANY = 10  # named objects above which a person is asked
_WITH_CONTENT = ("Namespace", "CustomResourceDefinition")  # with them go objects that nobody named
Propagation = Literal["background", "foreground", "orphan"]
What = Annotated[list[str] | None, typer.Argument(help="KIND NAME…, KIND/NAME…, or KIND with --selector or --all.")]
Files = Annotated[list[str] | None, typer.Option("--filename", "-f", help="What these manifests name; - for stdin.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Those with these labels: app=web,tier!=db.", show_default=False)]
Fields = Annotated[
    str, typer.Option("--field-selector", help="Those with these fields: status.phase=Failed.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="All objects of the kind in the namespace.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Cascade = Annotated[
    Propagation, typer.Option("--propagation", "--cascade", help="What becomes of owned objects: later, before, or they stay.")
]
Grace = Annotated[int, typer.Option("--grace-period", help="Seconds that pods have to end.", show_default=False)]
Now = Annotated[bool, typer.Option("--now", help="Pods have one second to end.")]
Force = Annotated[
    bool, typer.Option("--force", help="Forget pods at once, whether they ended or not; asks first, since they may run on.")
]
Uid = Annotated[str, typer.Option("--uid", help="Only if the object is that very one.", show_default=False)]
Version = Annotated[str, typer.Option("--resource-version", help="Only if the object did not change.", show_default=False)]
Missing = Annotated[bool, typer.Option("--ignore-not-found", help="What is not there is no failure.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would go; the server is asked, nothing is deleted.")]
Wait = Annotated[int, typer.Option("--wait", help="Then wait so many seconds until all are gone.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True)
class Chosen:
    """What the command line names, in its own words."""

    what: Sequence[str]
    files: Sequence[str]
    labels: str
    fields: str
    every: bool
    everywhere: bool
    uid: str

    @property
    def selected(self) -> bool:
        """Whether the cluster says which objects these are, and not the command line."""
        return bool(self.labels or self.fields or self.every)


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "delete", many=True)
    def delete(
        where: Where,
        what: What = None,
        *,
        files: Files = None,
        labels: Labels = "",
        fields: Fields = "",
        every: All = False,
        everywhere: Everywhere = False,
        propagation: Cascade = "background",
        grace: Grace = -1,
        now: Now = False,
        force: Force = False,
        uid: Uid = "",
        version: Version = "",
        missing_ok: Missing = False,
        dry_run: DryRun = False,
        wait: Wait = 0,
        yes: Yes = False,
    ) -> Outcome:
        """Delete objects. Asks before it deletes many, what a selector found, or a namespace with all that is in it."""
        from sloth.kube.workloads.deleting import How

        chosen = Chosen(what or (), files or (), labels, fields, every, everywhere, uid)
        given = _grace(grace, now=now, force=force)
        how = How(_words()[propagation], given, version, dry_run, missing_ok=missing_ok or chosen.selected)
        return delete_objects(where, chosen, how, wait=wait, yes=yes, force=force)


def _grace(grace: int, *, now: bool, force: bool) -> int | None:
    """Seconds that pods have to end; None: their own. Raises UsageError (two options that say different things)."""
    if (now and (grace >= 0 or force)) or (force and grace > 0):
        raise UsageError(
            "kube/delete-what",
            "--now, --force and --grace-period say how long pods have: one of them",
            hint="leave the others out",
        )
    return 0 if force else 1 if now else grace if grace >= 0 else None


def _words() -> dict[str, Literal["Background", "Foreground", "Orphan"]]:
    return {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


def delete_objects(where: Where, chosen: Chosen, how: How, *, wait: float, yes: bool, force: bool = False) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.kube.workloads.deleting import delete_all, wait_gone

    check(chosen, how)
    with where.client() as client:
        found = _from_files(where, client, chosen) if chosen.files else _from_words(client, chosen)
        if not found:
            where.say("nothing found")
            return Outcome("KubeDelete")
        question = _question(found, chosen, force=force)
        if question and not (yes or how.dry_run):
            where.confirm(question, "\n".join(map(str, found)))
        done = client.run(delete_all(client.api, found, how))
        if wait and not how.dry_run:
            client.run(wait_gone(done, wait))
    word = "would be deleted (dry run)" if how.dry_run else "deleted"
    return Outcome("KubeDelete", text="\n".join(f"{each} {word}" for each in done))


def check(chosen: Chosen, how: How) -> None:
    """Combinations that say two things at once. Raises UsageError."""
    one = not chosen.files and not chosen.selected
    wrong = ""
    if bool(chosen.files) == bool(chosen.what):
        wrong = "name objects, or files that name them"
    elif chosen.files and chosen.selected:
        wrong = "files and selectors exclude each other"
    elif chosen.every and (chosen.labels or chosen.fields):
        wrong = "--all and selectors exclude each other"
    elif chosen.everywhere and not chosen.selected:
        wrong = "--all-namespaces goes with --selector, --field-selector or --all"
    elif (chosen.uid or how.version) and not one:
        wrong = "--uid and --resource-version go with the name of one object"
    if wrong:
        raise UsageError("kube/delete-what", wrong, hint="sloth kube delete KIND NAME")


def _from_files(where: Where, client: Client, chosen: Chosen) -> list[Target]:
    from sloth.cli.kube_sources import named_in
    from sloth.kube.workloads.deleting import Target

    return [Target(*each) for each in named_in(where, client, chosen.files)]


def _from_words(client: Client, chosen: Chosen) -> list[Target]:
    from sloth.cli.kube_get import targets
    from sloth.kube.workloads.deleting import Target

    found: list[Target] = []
    for resource, names in client.run(targets(client.api, chosen.what)):
        if names and chosen.selected:
            raise UsageError("kube/target", "names and selectors exclude each other", hint="leave one of them out")
        if not names and not chosen.selected:
            raise UsageError(
                "kube/delete-what", f"which {resource.plural}?", hint=f"sloth kube delete {resource.plural} NAME, or --all"
            )
        place = client.api.place(resource, None)
        found += [Target(resource, place, name, chosen.uid) for name in names]
        if not names:
            space = "*" if chosen.everywhere else None
            items = client.each(resource, space, labels=chosen.labels, fields=chosen.fields)
            metas = [item["metadata"] for item in items]
            found += [Target(resource, meta.get("namespace", ""), meta["name"], meta["uid"]) for meta in metas]
    return found


def _question(found: Sequence[Target], chosen: Chosen, *, force: bool) -> str:
    """What to ask a person first, if anything."""
    if force:
        return f"forget {len(found)} objects at once, though what they stand for may run on?"
    full = [each for each in found if each.resource.kind in _WITH_CONTENT]
    if full:
        return f"delete {len(found)} objects, among them {len(full)} with everything that is in them?"
    many = chosen.selected or len(found) > MANY
    return f"delete these {len(found)} objects?" if many else ""
