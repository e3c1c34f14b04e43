"""A run that changes nothing: adapters that ask nodes and providers, and predict what they do not know.

Phases do not know of it. Where a node exists, one round trip per batch asks all that can be asked: questions, guards of
`Do`, digests of files. What follows from a guess is labelled `predicted`. Of a node that does not exist yet, a question that
may fail (`check=False`) is assumed to fail unless it says what it expects: such a condition does not hold on a new machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sloth.contracts.provider import Balancer, Machines
from sloth.contracts.state import State
from sloth.contracts.transport import Session, Transport
from sloth.engine.journal import NoJournal
from sloth.engine.rig import Rig
from sloth.engine.shell import failed, put_check, upload_check
from sloth.model.event import Event
from sloth.model.node import Login, Machine
from sloth.model.plan import MachineRequest
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
    existing: set[str] = field(default_factory=set)  # nodes whose machine was seen running
    phase: str = ""

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
            made[provider] = RehearsalMachines(rig.machines(provider), rehearsal, emit)
        return made[provider]

    return (
        replace(
            rig,
            transport=RehearsalTransport(rig.transport, rehearsal.exists),
            state=RehearsalState(rig.state),
            machines=machines,
            emit=emit,
            journal=NoJournal(),
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

    def __init__(self, real: Machines, rehearsal: Rehearsal, emit: Callable[[Event], None]) -> None:
        self._real = real
        self._rehearsal = rehearsal
        self._emit = emit
        self._seen: dict[str, Machine] | None = None

    def apply(self, wanted: Sequence[MachineRequest]) -> Sequence[Machine]:
        """Machines that exist as they are, the others as they would be."""
        seen = self._survey()
        machines = []
        for request in wanted:
            machine = seen.get(request.name)
            if machine is None:
                self._plan(request.name, "create machine")
            elif not machine.running:
                self._plan(request.name, "start machine")
            machines.append(machine or Machine(name=request.name, id="", address="", host_key=request.boot_key_public))
        return machines

    def delete(self, names: Sequence[str]) -> None:
        """Note what would go."""
        for name in names:
            self._plan(name, "delete machine", changed=name in self._survey())

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
        """Where the balancer is cannot be known before it is made."""
        new = [name for name in targets if name not in self._survey()]
        if new and isinstance(self._real, Balancer):
            self._plan("", f"balance the API over {', '.join(targets)}")
        return ""

    def _survey(self) -> dict[str, Machine]:
        if self._seen is None:
            self._seen = {machine.name: machine for machine in self._real.survey()}
            self._rehearsal.existing.update(name for name, machine in self._seen.items() if machine.running)
        return self._seen

    def _plan(self, node: str, title: str, *, changed: bool = True) -> None:
        phase = self._rehearsal.phase
        self._emit(Event(kind="step-finished", phase=phase, node=node, title=title, changed=changed, predicted=True))


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
