"""Kill a run after every single thing it does, then let another run finish the work, and see what became of it.

    python -m tests.unit.engine.kill_harness MODULE:MAKE DIRECTORY

`MAKE(directory, tick)` builds a flow on fakes that keep their state below `directory`, and calls `tick(what)` after every
step on a node, change of a machine and save of the record. It returns an object with

    run()            run the flow to its end
    changes()        how many changing things the run in this process did
    problems(then)   what is wrong after the final run; `then` is what `snapshot()` gave right after the kill
    snapshot()       plain data about the state, comparable

One process does it all: it loads everything once and forks for each run, so that a run really is killed with SIGKILL.
The last line of its output is JSON: `{"ticks": [...], "problems": [...]}`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

Tick = Callable[[str], None]


class Flow(Protocol):
    """What the harness needs of a flow."""

    def run(self) -> None: ...

    def changes(self) -> int: ...

    def snapshot(self) -> dict[str, Any]: ...

    def problems(self, then: dict[str, Any]) -> list[str]: ...


Make = Callable[[Path, Tick], Flow]


class Counter:
    """Counts ticks, and kills the process at the chosen one."""

    def __init__(self, kill_at: int = 0) -> None:
        self.seen: list[str] = []
        self._kill_at = kill_at

    def __call__(self, what: str) -> None:
        self.seen.append(what)
        if len(self.seen) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], Any]) -> tuple[int, Any]:
    """Fork; the child does the work and sends its JSON answer. Returns the wait status and the answer (None if killed)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(read)
            os.write(write, json.dumps(work()).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), json.loads(answer) if answer else None


def whole_run(make: Make, directory: Path) -> list[str]:
    """One run without a kill, and one more that must find nothing to do. Returns the ticks of the first."""

    def first() -> list[str]:
        counter = Counter()
        make(directory, counter).run()
        return counter.seen

    code, ticks = in_child(first)
    if code:
        raise SystemExit("the run that is not killed fails itself")
    again = _second(make, directory, {})
    if again:
        raise SystemExit(f"the run that is not killed: {again}")
    assert isinstance(ticks, list)
    return ticks


def killed_run(make: Make, directory: Path, kill_at: int) -> list[str]:
    """Kill a run after tick `kill_at`; another one finishes it, and a third finds nothing to do."""

    def first() -> None:
        make(directory, Counter(kill_at)).run()

    code, _ = in_child(first)
    if code != -signal.SIGKILL:
        return [f"it was not killed, but ended with {code}"]
    _, then = in_child(lambda: make(directory, Counter()).snapshot())

    def finish() -> list[str]:
        flow = make(directory, Counter())
        flow.run()
        return flow.problems(then)

    code, problems = in_child(finish)
    if code:
        return [f"the run after the kill ended with {code}"]
    return [*problems, *_second(make, directory, then)]


def _second(make: Make, directory: Path, then: dict[str, Any]) -> list[str]:
    def again() -> list[str]:
        flow = make(directory, Counter())
        before = flow.snapshot()
        flow.run()
        changed = [f"a run with nothing to do made {flow.changes()} changes"] if flow.changes() else []
        moved = ["a run with nothing to do left another state"] if flow.snapshot() != before else []
        return [*changed, *moved, *(flow.problems(then) if then else [])]

    code, problems = in_child(again)
    return list(problems) if not code else [f"the run with nothing to do ended with {code}"]


def main(target: str, directory: Path) -> None:
    """All kills of one flow."""
    module, _, name = target.partition(":")
    make: Make = getattr(importlib.import_module(module), name)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "whole").mkdir()
    ticks = whole_run(make, directory / "whole")
    problems = []
    for number, what in enumerate(ticks, start=1):
        place = directory / f"kill-{number}"
        place.mkdir()
        problems += [f"killed after tick {number} ({what}): {text}" for text in killed_run(make, place, number)]
    print(json.dumps({"ticks": ticks, "problems": problems}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
