"""`sloth kube rollout`: how far an update is, what there was before, and back to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.kube_named import Labels, Seconds, chosen
from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.kube.api import Api
    from sloth.kube.resource import Resource
    from sloth.kube.wire import Call

What = Annotated[
    list[str], typer.Argument(help="KIND NAME…, KIND/NAME…, or KIND with --selector: deployments, statefulsets, daemonsets.")
]
Number = Annotated[int, typer.Option("--revision", help="Show this revision whole.", show_default=False)]
To = Annotated[int, typer.Option("--to-revision", help="The revision. Default: the one before.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="The server is asked, nothing is changed.")]
Wait = Annotated[int, typer.Option("--wait", help="Then wait so many seconds until it is rolled out.", show_default=False)]


def register(group: typer.Typer) -> None:
    """Add the verbs."""
    rollout = typer.Typer(no_args_is_help=True, help="Updates of workloads: status, history, undo, restart, pause, resume.")
    group.add_typer(rollout, name="rollout")

    @kube_verb(rollout, "status", many=True)
    def status(where: Where, what: What, *, labels: Labels = "", timeout: Seconds = 300.0) -> Outcome:
        """Follow an update to its end. Exit code 15: it failed, or is not done in time."""
        return _each(where, what, labels, lambda api, kind, name: _status(where, api, kind, name, timeout))

    @kube_verb(rollout, "history", many=True)
    def history(where: Where, what: What, *, labels: Labels = "", revision: Number = 0) -> Outcome:
        """List the revisions that the cluster keeps, or show one."""
        return _each(where, what, labels, lambda api, kind, name: _history(api, kind, name, revision))

    @kube_verb(rollout, "undo", many=True)
    def undo(where: Where, what: What, *, labels: Labels = "", to: To = 0, dry_run: DryRun = False, wait: Wait = 0) -> Outcome:
        """Go back to the revision before, or to that one."""
        return _each(where, what, labels, lambda api, kind, name: _undo(where, api, kind, name, to, dry_run=dry_run, wait=wait))

    @kube_verb(rollout, "restart", many=True)
    def restart(where: Where, what: What, *, labels: Labels = "", dry_run: DryRun = False, wait: Wait = 0) -> Outcome:
        """Replace all pods, a few at a time, as the workload's own strategy says."""
        return _each(where, what, labels, lambda api, kind, name: _restart(where, api, kind, name, dry_run=dry_run, wait=wait))

    @kube_verb(rollout, "pause", many=True)
    def pause(where: Where, what: What, *, labels: Labels = "", dry_run: DryRun = False) -> Outcome:
        """Hold the updates of a Deployment: changes wait until it is resumed."""
        return _each(where, what, labels, lambda api, kind, name: _pause(api, kind, name, True, dry_run))

    @kube_verb(rollout, "resume", many=True)
    def resume(where: Where, what: What, *, labels: Labels = "", dry_run: DryRun = False) -> Outcome:
        """Let the updates of a Deployment go on."""
        return _each(where, what, labels, lambda api, kind, name: _pause(api, kind, name, False, dry_run))


def _each(where: Where, what: Sequence[str], labels: str, act: Callable[[Api, Resource, str], Call[str]]) -> Outcome:
    """One after the other. Raises SlothError of the first that fails."""
    with where.client() as client:
        found = chosen(client, what, labels, "sloth kube rollout status deploy/web")
        texts = [client.run(act(client.api, kind, name)) for kind, name in found]
    if not found:
        where.say("nothing found")
    return Outcome("KubeRollout", text="\n".join(texts))


def _word(kind: Resource, name: str) -> str:
    return f"{kind.singular or kind.plural}/{name}"


def _status(where: Where, api: Api, kind: Resource, name: str, seconds: float) -> Call[str]:
    from sloth.kube.show import cell
    from sloth.kube.workloads.rollout_status import follow

    found = yield from follow(api, kind, name, seconds=seconds, say=lambda text: where.say(cell(text)))
    return f"{_word(kind, name)}: {cell(found.text)}"


def _history(api: Api, kind: Resource, name: str, number: int) -> Call[str]:
    from sloth.kube.show import aligned, cell, documents
    from sloth.kube.workloads import revisions

    resource, item = yield from revisions.workload(api, kind, name)
    found = yield from revisions.history(api, item)
    if number:
        one = revisions.chosen(found, number, _word(resource, name))
        return f"{_word(resource, name)} revision {number}\n{documents([one.template], 'yaml', single=True)}"
    rows = [["REVISION", "CURRENT", "IMAGES", "CHANGE-CAUSE"]]
    rows += [
        [str(each.number), "*" if each.current else "", _images(each.template), cell(each.cause or "<none>")] for each in found
    ]
    return f"{_word(resource, name)}\n{aligned(rows)}"


def _images(template: dict[str, Any]) -> str:
    return ",".join(str(each.get("image", "")) for each in (template.get("spec") or {}).get("containers") or ())


def _then(where: Where, api: Api, kind: Resource, name: str, *, text: str, seconds: float) -> Call[str]:
    """The text, and after a wait that it is rolled out."""
    return f"{text}\n{(yield from _status(where, api, kind, name, seconds))}" if seconds else text


def _undo(where: Where, api: Api, kind: Resource, name: str, to: int, *, dry_run: bool, wait: float) -> Call[str]:
    from sloth.kube.workloads.rollouts import undo

    revision, changed = yield from undo(api, kind, name, to=to, dry_run=dry_run)
    word = "would go" if dry_run else "goes"
    text = f"{word} back to revision {revision.number}" if changed else f"is as in revision {revision.number}: nothing to do"
    return (yield from _then(where, api, kind, name, text=f"{_word(kind, name)} {text}", seconds=0 if dry_run else wait))


def _restart(where: Where, api: Api, kind: Resource, name: str, *, dry_run: bool, wait: float) -> Call[str]:
    from datetime import UTC, datetime

    from sloth.kube.workloads.rollouts import restart

    yield from restart(api, kind, name, at=datetime.now(UTC), dry_run=dry_run)
    text = "would restart (dry run)" if dry_run else "restarts"
    return (yield from _then(where, api, kind, name, text=f"{_word(kind, name)} {text}", seconds=0 if dry_run else wait))


def _pause(api: Api, kind: Resource, name: str, paused: bool, dry_run: bool) -> Call[str]:
    from sloth.kube.workloads.rollouts import pause

    changed = yield from pause(api, kind, name, paused=paused, dry_run=dry_run)
    state = "paused" if paused else "resumed"
    if not changed:
        return f"{_word(kind, name)} was {state} before: nothing to do"
    return f"{_word(kind, name)} {'would be ' if dry_run else 'is '}{state}"
