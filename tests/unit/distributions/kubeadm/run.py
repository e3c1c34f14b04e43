"""Drive a script with given answers, keeping its round trips apart, and show steps as a person reviews them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sloth.errors import StepError
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Script, Step, Upload, Wait

Answer = Result | str | StepError


@dataclass
class Run:
    """What a script did."""

    trips: list[list[Step]] = field(default_factory=list)
    value: Any = None
    error: Exception | None = None

    @property
    def steps(self) -> list[Step]:
        return [step for trip in self.trips for step in trip]

    @property
    def titles(self) -> list[str]:
        return [step.title for step in self.steps]

    def text(self, title: str) -> str:
        """The shell text of the one step of that title."""
        (step,) = [step for step in self.steps if step.title == title]
        assert isinstance(step, (Ask, Do))
        return step.run


def run(script: Script[Any], answers: Mapping[str, Answer] | None = None) -> Run:
    """Steps without an answer succeed silently. A StepError as answer is thrown into the script, as the engine does."""
    done = Run()
    given = answers or {}
    try:
        wanted = next(script)
        while True:
            batch = wanted if isinstance(wanted, list) else [wanted]
            done.trips.append(batch)
            outcome = [_result(given.get(step.title, "")) for step in batch]
            failed = [each for each in outcome if isinstance(each, StepError)]
            if failed:
                wanted = script.throw(failed[0])
            else:
                results = [each for each in outcome if isinstance(each, Result)]
                wanted = script.send(results if isinstance(wanted, list) else results[0])
    except StopIteration as stop:
        done.value = stop.value
    except Exception as error:
        done.error = error
    return done


def _result(answer: Answer) -> Result | StepError:
    return Result(out=answer) if isinstance(answer, str) else answer


def shown(trips: Sequence[Sequence[Step]]) -> str:
    """Round trips as text: every command and every file in full, secrets as `***` with what they hold."""
    return "\n".join(f"## round trip {number}\n" + "\n".join(map(_shown, trip)) for number, trip in enumerate(trips, 1))


def _shown(step: Step) -> str:
    lines = [f"\n### {type(step).__name__}: {step.title}"]
    match step:
        case Put():
            content = step.content.reveal() if isinstance(step.content, Secret) else step.content
            lines += [f"mode {step.mode:04o}", str(content).rstrip("\n")]
        case Upload():
            lines += [f"from {step.source}"]
        case Wait():
            lines += [f"until: {step.until}", f"timeout: {step.timeout:g} s", f"diagnose: {step.diagnose}", f"hint: {step.hint}"]
        case Do() if step.title.startswith(("install /", "import ")):
            lines += ["(a step of sloth.contracts.delivery)"]
        case Do():
            lines += [f"unless: {step.unless}"] if step.unless else []
            lines += [step.run, f"hint: {step.hint}"]
        case Ask():
            lines += [step.run]
    return "\n".join(lines) + "\n"
