"""Look at a script without any node: `rehearse(distribution.join(node, cluster, info))` in a REPL lists its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sloth.engine.rehearse import predict
from sloth.model.step import Do, Put, Result, Script, Step, Upload


def rehearse(script: Script[Any], answers: Mapping[str, Result | str] | None = None) -> list[Step]:
    """All steps that the script yields, in order.

    A step whose title is in `answers` gets that Result (or a successful one with that output); every other one gets a
    what a rehearsal predicts for a new node.
    """
    given = answers or {}
    steps: list[Step] = []
    try:
        wanted = next(script)
        while True:
            batch = wanted if isinstance(wanted, list) else [wanted]
            steps += batch
            results = [_answer(step, given.get(step.title)) for step in batch]
            wanted = script.send(results if isinstance(wanted, list) else results[0])
    except StopIteration:
        return steps


def _answer(step: Step, given: Result | str | None) -> Result:
    if isinstance(given, Result):
        return given
    return predict(step) if given is None else Result(out=given, changed=isinstance(step, (Do, Put, Upload)))
