"""A run that changes nothing: adapters that ask nodes and providers, and predict what they do not know.

Phases do not know of it. Where a node exists, one round trip per batch asks all that can be asked: questions, guards of
`Do`, digests of files. What follows from a guess is labelled `predicted`. Of a node that does not exist yet, a question that
may fail (`check=False`) is assumed to fail unless it says what it expects: such a condition does not hold on a new machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sloth.contracts.provider import Balanced, Balancer, Machines, Prepares, Previews
from sloth.contracts.state import State
from sloth.contracts.transport import Session, Transport
from sloth.engine.journal import NoJournal
from sloth.engine.rehearse_api import RehearsalApi
from sloth.engine.rig import Rig
from sloth.engine.shell import failed, put_check, upload_check
from sloth.model.event import Event
from sloth.model.names import NamePlan
from sloth.model.node import Login, Machine
from sloth.model.plan import SERVER, Action, MachineChange, MachineRequest
from sloth.model.record import Record
from sloth.model.step import Ask, Do, Put, Result, Step, Upload, Wait


@dataclass(frozen=True)
class Planned:
    """One line of a plan."""

    phase: str
    node: str
    title: str
    changed: bool
    predicted: bool


@dataclass
class Rehearsal:
    """What a rehearsal has found so far."""

    planned: list[Planned] = field(default_factory=list)
    existing: set[str] = field(default_factory=set)  # nodes whose machine was seen running, and stays
    phase: str = ""
    leaving: Mapping[str, Sequence[str]] = field(default_factory=dict)  # provider -> nodes that the run will delete
    machines: list[MachineChange] = field(default_factory=list)  # at all providers, `keep` included

    def exists(self, node: str) -> bool:
        """Whether the node can be asked."""
        return node in self.existing

    @property
    def changes(self) -> list[Planned]:
        """The lines that change something."""
        return [line for line in self.planned if line.changed]

    def hear(self, event: Event) -> None:
        """Keep what belongs into the plan; called before the event goes on to the views."""
        if event.kind == "phase-started":
            self.phase = event.phase
        elif event.kind == "step-finished":
            self.planned.append(Planned(event.phase, event.node, event.title, event.changed, event.predicted))


def rehearsing(rig: Rig) -> tuple[Rig, Rehearsal]:
    """A rig that changes nothing, made of one that could, and what the rehearsal finds."""
    rehearsal = Rehearsal()

    def emit(event: Event) -> None:
        rehearsal.hear(event)
        rig.emit(event)

    made: dict[str, RehearsalMachines] = {}

    def machines(provider: str) -> Machines:
        if provider not in made:
            made[provider] = RehearsalMachines(rig.machines(provider), rehearsal, emit, provider)
        return made[provider]

    return (
        replace(
            rig,
            transport=RehearsalTransport(rig.transport, rehearsal.exists),
            api=RehearsalApi(rig.api) if rig.api else None,
            state=RehearsalState(rig.state),
            machines=machines,
            emit=emit,
            journal=NoJournal(),
            rehearsing=True,
        ),
        rehearsal,
    )


class RehearsalTransport:
    """Asks the nodes that exist over `real`; with no `real`, and for all other nodes, everything is predicted."""

    def __init__(self, real: Transport | None, exists: Callable[[str], bool]) -> None:
        self._real = real
        self._exists = exists

    def open(self, login: Login) -> Session:
        """A session that changes nothing. Raises ConnectError where the node exists and does not answer."""
        real = self._real.open(login) if self._real is not None and self._exists(login.node) else None
        return RehearsalSession(real)


class RehearsalSession:
    """One node. After the first predicted change, what it answers is the state before that change: labelled so."""

    def __init__(self, real: Session | None) -> None:
        self._real = real
        self._changed = False

    def run(self, steps: Sequence[Step]) -> Sequence[Result]:
        """The results that a real run would give, as far as can be known; one round trip at most."""
        answers = self._ask(steps)
        results: list[Result] = []
        for step, answer in zip(steps, answers, strict=True):
            result = self._result(step, answer)
            results.append(result)
            self._changed = self._changed or result.changed
            if failed(step, result):
                break
        return results

    def close(self) -> None:
        """End the real connection, if there is one."""
        if self._real is not None:
            self._real.close()

    def _ask(self, steps: Sequence[Step]) -> list[Result | None]:
        questions = [_question(step) for step in steps] if self._real else []
        if self._real is None or not any(questions):
            return [None] * len(steps)
        came = iter(self._real.run([question for question in questions if question]))
        return [next(came) if question else None for question in questions]

    def _result(self, step: Step, answer: Result | None) -> Result:
        expected = predict(step)
        if isinstance(step, Wait):
            return expected
        if isinstance(step, Ask):
            if answer is None or (self._changed and failed(step, answer)):
                return expected
            return replace(answer, predicted=self._changed)
        if answer is not None and answer.ok:
            return Result(predicted=self._changed)
        return expected


def predict(step: Step) -> Result:
    """What is assumed of a step on a node that cannot be asked."""
    expected = step.expected if isinstance(step, (Ask, Do, Wait)) else ""
    doubtful = isinstance(step, Ask) and not step.check and not expected
    return Result(exit=int(doubtful), out=expected, changed=isinstance(step, (Do, Put, Upload)), predicted=True)


def _question(step: Step) -> Ask | None:
    """What can be asked of the node about a step without changing anything."""
    match step:
        case Ask():
            return replace(step, check=False)
        case Do():
            return Ask(title=step.title, run=step.unless, check=False, timeout=step.timeout) if step.unless else None
        case Put():
            return put_check(step)
        case Upload():
            return upload_check(step)
        case Wait():
            return None


class RehearsalMachines(Machines):
    """Surveys for real; makes and deletes in words only."""

    def __init__(self, real: Machines, rehearsal: Rehearsal, emit: Callable[[Event], None], provider: str = "") -> None:
        self._real = real
        self._rehearsal = rehearsal
        self._emit = emit
        self._provider = provider
        self._seen: dict[str, Machine] | None = None
        self._previewed: list[MachineChange] | None = None
        self._balancing = False

    def preflight(self, new: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        """As in a real run: it only reads. Nothing where the provider has no preflight."""
        return self._real.preflight(new, known) if isinstance(self._real, Prepares) else {}

    def apply(self, wanted: Sequence[MachineRequest]) -> Sequence[Machine]:
        """Machines that exist and stay as they are; the others as they would be."""
        seen = self._survey()
        changes = [change for change in self._preview(wanted) if change.node not in self._leaving]  # those: see `delete`
        for change in changes:
            self._note(change)
        born = {change.node for change in changes if change.kind == SERVER and change.action in ("create", "replace")}
        self._rehearsal.existing -= born  # of the machine that comes, nothing can be asked
        return [
            seen[request.name] if request.name in seen and request.name not in born else _unborn(request) for request in wanted
        ]

    def delete(self, names: Sequence[str]) -> None:
        """Note what would go with these nodes."""
        if self._previewed is None:  # no node of this provider stays
            for change in self._preview(()):
                if not change.node:
                    self._note(change)
        for name in names:
            going = [x for x in self._previewed or () if x.node == name and x.action == "delete"]
            if not any(change.kind == SERVER for change in going):
                if name in self._survey():
                    going.append(_server(name, "delete", self._provider))
                else:
                    self._plan(name, "delete machine", changed=False)
            for change in going:
                self._note(change)

    def _preview(self, wanted: Sequence[MachineRequest]) -> Sequence[MachineChange]:
        """What the provider itself foretells, completed by what the survey says of machines that it does not mention."""
        told: list[MachineChange] = []
        if isinstance(self._real, Previews):
            told = list(self._real.preview(wanted, self._leaving))
            self._previewed = told
        known = {change.node for change in told if change.kind == SERVER}
        return [*told, *(self._guess(request) for request in wanted if request.name not in known)]

    @property
    def _leaving(self) -> tuple[str, ...]:
        return tuple(self._rehearsal.leaving.get(self._provider, ()))

    def _guess(self, request: MachineRequest) -> MachineChange:
        machine = self._survey().get(request.name)
        action: Action = "create" if machine is None else "keep" if machine.running else "start"
        return _server(request.name, action, self._provider, _placed(request))

    def _note(self, change: MachineChange) -> None:
        self._rehearsal.machines.append(change)
        if change.action != "keep":
            self._plan(change.node, change.title)

    def survey(self) -> Sequence[Machine]:
        """What is there."""
        return tuple(self._survey().values())

    def destroy(self) -> None:
        """Note what would go."""
        for thing in self._real.leftovers():
            self._plan("", f"delete {thing}")

    def leftovers(self) -> Sequence[str]:
        """Nothing would be left."""
        return ()

    def balance(self, targets: Sequence[str]) -> str:
        """Where the balancer is cannot be known before it is made. Asked twice, it is told once."""
        new = [name for name in targets if name not in self._survey()]
        if new and isinstance(self._real, Balancer) and not self._balancing:
            self._balancing = True
            self._plan("", f"balance the API over {', '.join(targets)}")
        return self._real.balanced() if isinstance(self._real, Balanced) else ""

    def publish(self, wanted: NamePlan | None, before: NamePlan | None) -> bool:
        """What would be said in DNS; addresses of machines that do not exist yet are not known."""
        if wanted is None and before is not None:
            self._plan("", f"delete DNS record {before.host}")
        elif wanted is not None and wanted != before:
            self._plan("", f"DNS record {wanted.host} -> {', '.join(wanted.targets) or 'the new address'}")
        return wanted != before

    def _survey(self) -> dict[str, Machine]:
        if self._seen is None:
            self._seen = {machine.name: machine for machine in self._real.survey()}
            self._rehearsal.existing.update(name for name, machine in self._seen.items() if machine.running)
        return self._seen

    def _plan(self, node: str, title: str, *, changed: bool = True) -> None:
        phase = self._rehearsal.phase
        self._emit(Event(kind="step-finished", phase=phase, node=node, title=title, changed=changed, predicted=True))


def _server(node: str, action: Action, provider: str, detail: str = "") -> MachineChange:
    return MachineChange(node=node, action=action, kind=SERVER, name=node, provider=provider, detail=detail)


def _placed(request: MachineRequest) -> str:
    """Where the machine is to go, as far as that is decided."""
    words = (str(request.placement.get(key, "")) for key in ("size", "location", "image"))
    return ", ".join(word for word in words if word)


def _unborn(request: MachineRequest) -> Machine:
    return Machine(name=request.name, id="", address="", host_key=request.boot_key_public)


class RehearsalState:
    """Reads the real record; what is saved is only counted."""

    def __init__(self, real: State) -> None:
        self._real = real

    def load(self) -> Record | None:
        """The real record."""
        return self._real.load()

    def save(self, record: Record) -> Record:
        """The record as it would be after saving."""
        return replace(record, revision=record.revision + 1)

    def lock(self, verb: str) -> None:
        """Reading needs no lock."""

    def unlock(self, *, force: bool = False) -> None:
        """There is none."""

    def delete(self) -> None:
        """Nothing is deleted."""
