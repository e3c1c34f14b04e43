"""One stack from what it is to what its plan says: look first, refuse surprises, take over strays, then change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sloth.adapters.pulumi import notes
from sloth.adapters.pulumi.events import UNKNOWN, Change, Report
from sloth.adapters.pulumi.notes import Note
from sloth.adapters.pulumi.program import Answers, Ids, program
from sloth.adapters.pulumi.stack import EngineStack, Program
from sloth.contracts.cloud import Cloud
from sloth.errors import MachinesError
from sloth.model.cloud import CloudPlan, Found
from sloth.model.event import Event


@dataclass(frozen=True, kw_only=True)
class Task:
    """One stack and what it shall hold."""

    cloud: Cloud
    stack: EngineStack
    plan: CloudPlan
    shared: Mapping[str, str] | None = None  # ids from the first stack; None = this is the first
    found: Sequence[Found] = ()  # what the survey saw
    gone: frozenset[str] = frozenset()  # nodes whose machines go now
    leaving: frozenset[str] = frozenset()  # nodes that go soon: until then their resources stay as they are

    @property
    def folder(self) -> Path:
        """Where the stack's note lies."""
        return self.stack.engine.work

    def digest(self) -> str:
        """Of what the stack shall hold."""
        engine = self.stack.engine
        return notes.digest(self.plan, self.shared, f"{engine.command.version} {self.cloud.sdk.module}")

    def refresh(self) -> None:
        """The state learns what is gone. Servers that the survey sees are not asked for: some clouds tell their user-data."""
        mine = {server.name for server in self.plan.servers}
        self.stack.refresh(but=[(one.token, one.node) for one in self.found if one.kind == "server" and one.node in mine])


def look(task: Task) -> tuple[Report, Answers]:
    """What would change. Nothing is."""
    note = notes.read(task.folder, task.stack.name)
    if note is not None and note.digest == task.digest() and not _missing(task, note.servers):
        return Report(), _answers(note)
    answers = Answers()
    plain = program(task.cloud, task.plan, answers, shared=task.shared)
    return task.stack.preview(plain), answers


def settle(task: Task) -> tuple[bool, Answers]:
    """Make it so; answers whether anything changed. Raises SlothError. Cut off anywhere, the next call goes on."""
    note = notes.read(task.folder, task.stack.name)
    missing = _missing(task, note.servers if note else ())
    if note is not None and note.digest == task.digest() and not missing:
        return False, _answers(note)
    notes.drop(task.folder, task.stack.name)
    if missing:
        task.refresh()  # somebody deleted servers: the state has to learn it
    changed, answers = _change(task, known=note is not None)
    if not task.leaving:  # else the stack is not all that the plan says; the deletion that follows leaves a note
        servers = tuple(server.name for server in task.plan.servers)
        note = Note(digest=task.digest(), servers=servers, shared=answers.shared, balancer=answers.balancer)
        notes.write(task.folder, task.stack.name, note)
    return changed, answers


def _change(task: Task, *, known: bool) -> tuple[bool, Answers]:
    answers = Answers()
    whole = partial(program, task.cloud, task.plan, answers, shared=task.shared, still=_still(task))
    plain = whole()
    report, taken = Report(), False
    if known or task.found:  # else there is nothing at the cloud that could be lost
        report = _seen_through(task, plain)
        if strays := strays_of(task, report):
            report, taken = _taken_over(task, plain, strays), True
        if not known and (parts := _tagless(task, report, lambda ids: whole(adopt=ids))):  # cut off, or another machine's
            report, taken = _taken_over(task, plain, parts), True
        if known and not (taken or report.changes):
            _sweep(task)
            return False, answers
    # Without a note also where nothing is to be changed: if a run was cut off while it took things over, the state may not know
    # yet what they depend on.
    done = _up(task, plain, report)
    if _missing(task, done.kept):  # nothing was seen of a cluster that this machine does not know, but the state has it
        task.refresh()
        done = _up(task, plain, Report())
    return taken or bool(done.changes), answers


def _taken_over(task: Task, plain: Program, ids: Ids) -> Report:
    """What is left to be done once the state knows them."""
    _tell(task, ids)
    task.stack.take_over(task.cloud, ids)
    return _seen_through(task, plain)


def _sweep(task: Task) -> None:
    """Where nothing is to be done, no operation comes upon the lock that a killed engine left."""
    for who in task.stack.engine.sweep(task.stack.name):
        title = f"{task.cloud.name}: took away the lock of a run that is dead ({who})"
        task.stack.engine.emit(Event(kind="note", title=title))


def _seen_through(task: Task, plain: Program) -> Report:
    """What `up` would do, once the state has learnt of servers that are gone; refused where it would do harm."""
    report = task.stack.preview(plain)
    if _missing(task, report.kept):
        task.refresh()
        report = task.stack.preview(plain)
    guard(task, report)
    return report


def _up(task: Task, wanted: Program, expected: Report) -> Report:
    """Make it so. What an engine that was killed had begun is at the cloud, and then the survey saw it, or it is not.

    The engine tells of such operations whenever it changes something, never in a plan, and does not forget them by itself.
    """
    done = task.stack.up(wanted, total=len(expected.changes))
    if done.pending and (count := task.stack.forget_pending()):
        text = f"{task.cloud.name}: {count} operations of an earlier run were cut off; looked at the cloud what became of them"
        task.stack.engine.emit(Event(kind="note", title=text))
    return done


def strays_of(task: Task, report: Report) -> dict[tuple[str, str], str]:
    """Resources that would be created and are at the cloud already, made by a run that could not note it down."""
    there = {(one.token, one.name): one.id for one in task.found if one.token}
    ids = {}
    for change in report.changes.values():
        known = there.get((change.token, task.plan.named(change.name)))
        if change.action == "create" and known:
            ids[(change.token, change.name)] = known
    return ids


def _tagless(task: Task, report: Report, taking: Callable[[Ids], Program]) -> dict[tuple[str, str], str]:
    """Parts without a tag that are there: which an engine was just making when it was killed, or whose answer was lost.

    No survey sees them; a plan that takes one over fails where the cloud does not have it. One whose id needs another's that is
    not there yet cannot be there either, so few are tried.
    """
    wanted = {
        (change.token, change.name): change.inputs
        for change in report.changes.values()
        if change.action == "create" and task.cloud.tagless.get(change.token)
    }
    if not wanted:
        return {}
    begun = {(token, name): properties for token, name, properties in task.stack.half_made()}
    ids = {}
    for key, inputs in wanted.items():
        ident = _ident(task.cloud.tagless[key[0]], begun.get(key, inputs))
        if ident:
            with suppress(MachinesError):
                task.stack.preview(taking({key: ident}))
                ids[key] = ident
    return ids


def _ident(pattern: str, properties: Mapping[str, object]) -> str:
    """The id that the engine imports it by; "" where it is not known yet."""
    try:
        ident = pattern.format_map({key: _word(value) for key, value in properties.items()})
    except (KeyError, IndexError):
        return ""
    return "" if UNKNOWN in ident else ident


class _Word(str):
    """A property as it stands in an id, or a part of it: `/-1` is the last of what is between slashes."""

    def __format__(self, spec: str) -> str:
        return self.split(spec[0])[int(spec[1:])] if spec and UNKNOWN not in self else str(self)


def _word(value: object) -> _Word:
    """JSON knows no whole numbers."""
    return _Word(int(value) if isinstance(value, float) else value)


def guard(task: Task, report: Report) -> None:
    """Nothing is replaced, and nothing of a node that stays is deleted. Raises MachinesError."""
    staying = {server.name for server in task.plan.servers} - task.gone
    owned = [(node_of(change.name, staying | task.gone), change) for change in report.changes.values()]
    bad = [
        (node, change)
        for node, change in owned
        if change.token not in task.cloud.fluid
        and (change.action == "replace" or (change.action == "delete" and node in staying))
    ]
    if bad:
        nodes = sorted({node for node, _ in bad})  # "" for what nodes share
        raise MachinesError(
            "cloud/would-replace",
            f"{task.cloud.name}: {len(bad)} resources would be replaced or deleted; nothing was changed",
            detail="\n".join(_in_words(change) for _, change in bad),
            where=nodes[-1],
            hint=_way_out(nodes),
        )


def _way_out(nodes: Sequence[str]) -> str:
    if not all(nodes):
        return "take the change of these properties back in the spec"
    return f"sloth up {' '.join(f'--replace {node}' for node in nodes)}"


def node_of(name: str, nodes: frozenset[str] | set[str]) -> str:
    """The node whose resource this is: its server, or `NODE-part`; "" where it is shared."""
    if name in nodes:
        return name
    owners = [node for node in nodes if name.startswith(f"{node}-")]
    return max(owners, key=len, default="")


def _in_words(change: Change) -> str:
    because = f" because of {', '.join(change.causes)}" if change.causes else ""
    return f"{change.action} {change.name} ({change.token.rpartition(':')[2]}){because}"


def _missing(task: Task, known: Collection[str]) -> frozenset[str]:
    """Servers among those `known` that the survey does not see any more.

    Only those that this run could make anew: one that it was not asked for comes without user-data, and is left to a run
    that is.
    """
    there = {one.node for one in task.found if one.kind == "server"}
    wanted = {server.name for server in task.plan.servers if server.user_data.reveal()}
    return frozenset((wanted & frozenset(known)) - there)


def _still(task: Task) -> Callable[[str], bool] | None:
    """Whether a resource belongs to a node that leaves: a change that is not wanted there cannot be in the way of its leaving."""
    if not task.leaving:
        return None
    nodes = {server.name for server in task.plan.servers}
    return lambda name: node_of(name, nodes) in task.leaving


def _answers(note: Note) -> Answers:
    return Answers(shared=dict(note.shared), balancer=note.balancer)


def _tell(task: Task, strays: Mapping[tuple[str, str], str]) -> None:
    names = ", ".join(sorted(name for _, name in strays))
    text = f"{task.cloud.name}: taking over what an earlier run made and could not note down: {names}"
    task.stack.engine.emit(Event(kind="note", title=text))
