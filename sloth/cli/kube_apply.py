"""`sloth kube apply` and `diff`: manifests against the cluster, by the apply engine."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_options import Where, kube_verb
from sloth.errors import UsageError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.kube.apply_plan import ApplySet, Change, Plan

Files = Annotated[list[str], typer.Option("--filename", "-f", help="File or folder of manifests, - for stdin; repeat for more.")]
SetName = Annotated[
    str, typer.Option("--set", help="Name of the set that these make up: what left it can be pruned.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force-conflicts", help="Take over fields that other managers own.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete what was in the set and is not any more.")]
PruneGuarded = Annotated[
    bool, typer.Option("--prune-guarded", help="Also namespaces and custom kinds, with all that is in them.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; the server is asked, nothing is changed.")]
Wait = Annotated[int, typer.Option("--wait", help="Then wait so many seconds until all is ready.", show_default=False)]
Timeout = Annotated[int, typer.Option("--timeout", help="Seconds.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before something is deleted.")]
_SIGNS = {"create": "+", "change": "~", "delete": "-", "keep": "!"}


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @kube_verb(group, "apply")
    def apply(
        where: Where,
        *,
        files: Files,
        set_name: SetName = "",
        force: Force = False,
        prune: Prune = False,
        prune_guarded: PruneGuarded = False,
        dry_run: DryRun = False,
        wait: Wait = 0,
        yes: Yes = False,
    ) -> Outcome:
        """Make the cluster what the manifests say: server-side apply, in stages, after a dry run of all of them."""
        if (prune or prune_guarded) and not set_name:
            raise UsageError("kube/no-set", "--prune needs the name of a set", hint="--set NAME")
        work = ApplyWork(where, files, set_name, force=force, prune=prune or prune_guarded, guarded=prune_guarded)
        return work.show() if dry_run else work.run(yes=yes, wait=wait)

    @kube_verb(group, "diff")
    def diff(where: Where, *, files: Files, force: Force = False) -> Outcome:
        """Show what applying would change, field by field; values of Secrets are masked."""
        return ApplyWork(where, files, "", force=force, prune=False, guarded=False).show()

    @kube_verb(group, "wait")
    def wait(
        where: Where, what: Annotated[list[str], typer.Argument(help="KIND NAME… or KIND/NAME….")], *, timeout: Timeout = 300
    ) -> Outcome:
        """Wait until objects are what their specs say: rolled out, ready, bound, complete."""
        return wait_for(where, what, timeout)


def wait_for(where: Where, what: Sequence[str], timeout: int) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.cli.kube_get import targets
    from sloth.kube.waiting import wait_current

    with where.client() as client:
        wanted = client.run(targets(client.api, what))
        if not all(names for _, names in wanted):
            raise UsageError("kube/target", "only objects with a name can be waited for", hint="sloth kube wait deploy/web")
        found = [(kind, client.api.place(kind, None), name) for kind, names in wanted for name in names]
        client.run(wait_current(client.api, found, timeout))
    return Outcome("KubeWait", text="\n".join(f"{kind.singular or kind.plural}/{name} is ready" for kind, _, name in found))


class ApplyWork:
    """One `apply` or `diff`."""

    def __init__(self, where: Where, files: Sequence[str], set_name: str, *, force: bool, prune: bool, guarded: bool) -> None:
        self._where, self._files, self._set = where, files, set_name
        self._force, self._prune, self._guarded = force, prune, guarded

    def show(self) -> Outcome:
        """Plan only. Raises SlothError."""
        from sloth.kube.apply_plan import make_plan
        from sloth.kube.manifests import read

        with self._where.client() as client:
            plan = client.run(
                make_plan(client.api, read(texts(self._files)), self._chosen(client.api.namespace), force=self._force)
            )
        return Outcome("KubeDiff", text=render(plan))

    def run(self, *, yes: bool, wait: int) -> Outcome:
        """Plan, ask if something is to be deleted, and carry it out. Raises SlothError."""
        from sloth.app import confirm, say
        from sloth.kube.apply_plan import make_plan
        from sloth.kube.apply_run import carry_out
        from sloth.kube.manifests import read
        from sloth.kube.waiting import wait_current

        with self._where.client() as client:
            chosen = self._chosen(client.api.namespace)
            plan = client.run(make_plan(client.api, read(texts(self._files)), chosen, force=self._force))
            gone = [each for each in plan.changes if each.action == "delete"]
            if gone and not yes:
                say(render(plan))
                confirm(f"delete {len(gone)} objects?")
            done = client.run(carry_out(client.api, plan, chosen, force=self._force))
            if wait:
                found = [(client.run(client.kinds.find(each.resource)), each.namespace, each.name) for each in done]
                client.run(wait_current(client.api, found, wait))
        return Outcome("KubeApply", text=render(plan))

    def _chosen(self, namespace: str) -> ApplySet | None:
        from sloth.kube.apply_plan import ApplySet

        return ApplySet(self._set, namespace, self._prune, self._guarded) if self._set else None


def texts(files: Sequence[str]) -> list[tuple[str, bytes]]:
    """Names and contents; of a folder its .yaml, .yml and .json files by name. Raises UsageError."""
    found: list[tuple[str, bytes]] = []
    for name in files:
        path = Path(name)
        if name == "-":
            found.append(("stdin", sys.stdin.buffer.read()))
        elif path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml", ".json"))
            found += [(str(each), each.read_bytes()) for each in inside]
        elif path.is_file():
            found.append((name, path.read_bytes()))
        else:
            raise UsageError("kube/no-file", f"there is no file or folder {name}", hint=f"ls {name}")
    return found


def render(plan: Plan) -> str:
    """For people: one line an object, indented ones for fields, and the numbers."""
    lines: list[str] = []
    for change in plan.changes:
        if change.action == "same":
            continue
        lines.append(f"{_SIGNS[change.action]} {_named(change)}{'  (predicted)' if change.predicted else ''}")
        lines += [f"    {each.path}: {each.before or '-'} → {each.after or '-'}" for each in change.fields]
    counts: Counter[str] = Counter(change.action for change in plan.changes)
    words = [f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action]]
    return "\n".join([*lines, ", ".join(words) or "nothing to apply"])


_WORDS = {
    "create": "to create",
    "change": "to change",
    "same": "unchanged",
    "delete": "to delete",
    "keep": "kept though not in the set",
}


def _named(change: Change) -> str:
    entry = change.entry
    kind = f"{entry.kind.lower()}.{entry.group}".rstrip(".")
    return f"{kind} {entry.namespace}/{entry.name}" if entry.namespace else f"{kind} {entry.name}"
