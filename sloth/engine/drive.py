"""Take one script through one node: each yielded step or list is one round trip, what came of it goes back in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sloth.contracts.delivery import delivery_error
from sloth.contracts.transport import Session
from sloth.engine.journal import Recorder
from sloth.engine.shell import failed
from sloth.engine.stop import Stop
from sloth.errors import InternalError, ManyErrors, SlothError, StepError
from sloth.model.event import Event
from sloth.model.secret import learn
from sloth.model.step import Ask, Do, Put, Result, Script, Step, Upload, Wait

T = TypeVar("T")
_EVIDENCE = 20  # lines of a failed step's output that go into the error
_SHOWN = 600  # characters of its command


def drive(
    script: Script[T],
    session: Session,
    *,
    node: str,
    phase: str,
    emit: Callable[[Event], None],
    journal: Recorder,
    stop: Stop | None = None,
) -> T:
    """Run the script to its end and return what it returns.

    A failed step (StepError), a lost connection (ConnectError) and an asked-for end (Interrupted) are thrown in at the
    `yield`, so that `try/finally` in the script is its clean-up; steps yielded while cleaning up still run.
    """
    trip = _Trip(session, node, phase, emit, journal, stop or Stop())
    advance: Callable[[], Step | list[Step]] = script.__next__
    begun = False
    ok = False
    try:
        while True:
            wanted = advance()
            steps = wanted if isinstance(wanted, list) else [wanted]
            if not begun:
                begun = True
                emit(Event(kind="script-started", phase=phase, node=node, total=len(steps)))
            try:
                results = trip.run(steps)
            except (SlothError, ManyErrors) as error:
                advance = _thrower(script, error)
            else:
                advance = _sender(script, results if isinstance(wanted, list) else results[0])
    except StopIteration as end:
        ok = True
        value: T = end.value
        return value
    finally:
        script.close()
        if begun:
            emit(Event(kind="script-finished", phase=phase, node=node, changed=trip.changed, ok=ok))


def _sender(script: Script[T], answer: Result | list[Result]) -> Callable[[], Step | list[Step]]:
    return lambda: script.send(answer)


def _thrower(script: Script[T], error: Exception) -> Callable[[], Step | list[Step]]:
    return lambda: script.throw(error)


@dataclass
class _Trip:
    """What one script shares over its round trips."""

    session: Session
    node: str
    phase: str
    emit: Callable[[Event], None]
    journal: Recorder
    stop: Stop
    changed: bool = False
    interrupted: bool = False

    def run(self, steps: Sequence[Step]) -> list[Result]:
        """Results of all steps. Raises StepError for the one that failed for good."""
        results: list[Result] = []
        attempt = 1
        while len(results) < len(steps):
            self._check_stop()
            todo = steps[len(results) :]
            came = self._send(todo)
            last = todo[len(came) - 1]
            if not failed(last, came[-1]):
                results += came
                attempt = 1
                continue
            if len(came) > 1:
                attempt = 1
            results += came[:-1]
            if attempt >= last.retry.attempts:
                raise _failure(last, came[-1], self.node)
            attempt += 1
            self._note_retry(last, attempt)
            self.stop.wait(last.retry.delay)
        return results

    def _check_stop(self) -> None:
        """Interrupt the script once; what it yields after that is its clean-up."""
        if self.stop.requested and not self.interrupted:
            self.interrupted = True
            self.stop.check()

    def _send(self, steps: Sequence[Step]) -> Sequence[Result]:
        changing = [step.title for step in steps if isinstance(step, (Do, Put, Upload))]
        self.journal.before(self.phase, self.node, changing)
        for step in steps:
            self.emit(Event(kind="step-started", phase=self.phase, node=self.node, title=step.title))
        came = self.session.run(steps)
        if not came or (len(came) < len(steps) and not failed(steps[len(came) - 1], came[-1])):
            raise InternalError(
                "engine/results-missing",
                f"{self.node}: {len(steps)} steps were sent, {len(came)} results came back",
                hint="sloth up --debug",
            )
        pairs = list(zip(steps, came, strict=False))
        self._learn(pairs)
        self.journal.after(
            self.phase,
            self.node,
            [(step.title, not failed(step, result), result.changed) for step, result in pairs if not _reads(step)],
        )
        for step, result in pairs:
            self._report(step, result)
        return came

    def _learn(self, pairs: Sequence[tuple[Step, Result]]) -> None:
        for step, result in pairs:
            if isinstance(step, (Ask, Do)) and step.secret:
                learn(result.out)

    def _report(self, step: Step, result: Result) -> None:
        self.changed = self.changed or result.changed
        ok = not failed(step, result)
        self.emit(
            Event(
                kind="step-finished",
                phase=self.phase,
                node=self.node,
                title=step.title,
                detail="" if ok else _evidence(step, result),
                changed=result.changed,
                predicted=result.predicted,
                ok=ok,
            )
        )

    def _note_retry(self, step: Step, attempt: int) -> None:
        reason = f" ({step.retry.reason})" if step.retry.reason else ""
        title = f"{step.title}: attempt {attempt} of {step.retry.attempts}{reason}"
        self.emit(Event(kind="note", phase=self.phase, node=self.node, title=title))


_NO_SPACE = "no space left on device"  # ENOSPC, as Go words it (syscall); the C library in LC_ALL=C begins with a capital


def _reads(step: Step) -> bool:
    return isinstance(step, (Ask, Wait))


def _failure(step: Step, result: Result, node: str) -> StepError:
    hint = step.hint if isinstance(step, (Do, Wait)) and step.hint else "sloth up"
    if told := delivery_error(result.err, node):
        return told
    if _NO_SPACE in result.err.lower():
        return StepError(
            "node/disk-full",
            f"{node}: its disk is full: “{step.title}” failed",
            detail=_evidence(step, result),
            where=node,
            hint=f"sloth ssh {node} -- df -h",
        )
    if result.exit == 124:
        return StepError(
            "step/timed-out",
            f"{node}: “{step.title}” was not done after {step.timeout:g} s",
            detail=_evidence(step, result),
            where=node,
            hint=hint,
        )
    return StepError(
        "step/failed",
        f"{node}: “{step.title}” failed with status {result.exit}",
        detail=_evidence(step, result),
        where=node,
        hint=hint,
    )


def _evidence(step: Step, result: Result) -> str:
    """The command and the last lines of what it said; the error masks it."""
    command = {Ask: "run", Do: "run", Wait: "until", Put: "then"}.get(type(step))
    text = str(getattr(step, command)) if command else ""
    shown = [f"$ {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}"] if text else []
    hidden = isinstance(step, (Ask, Do)) and step.secret
    said = result.err or ("" if hidden else result.out)
    return "\n".join([*shown, *said.splitlines()[-_EVIDENCE:]])
