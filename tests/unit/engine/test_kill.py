"""A run that is killed after any step is finished by the next one: nothing lost, nothing twice, nothing orphaned."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sloth.engine.journal import read
from tests.unit.engine import kill_harness, small_flow

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.no_cover


def harness(target: str, directory: Path) -> dict[str, list[str]]:
    """Run the harness in a process of its own. Raises on its failure."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.engine.kill_harness", target, str(directory)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_killed_after_every_step_and_finished_by_the_next_run(tmp_path: Path) -> None:
    report = harness("tests.unit.engine.small_flow:make", tmp_path)
    assert report["problems"] == []
    assert len(report["ticks"]) >= 25
    assert {"saved", "made cp-1", "cp-1: found", "work-2: join"} <= set(report["ticks"])
    journals = [read(tmp_path / f"kill-{n}" / "journal.jsonl") for n in range(1, len(report["ticks"]) + 1)]
    ends = [[entry["kind"] for entry in journal].count("end") for journal in journals]
    assert set(ends) == {2}, "the killed run has no end, the two after it have"


def test_the_harness_notices_a_flow_that_does_not_resume(tmp_path: Path) -> None:
    report = harness("tests.unit.engine.test_kill:careless", tmp_path)
    assert any("ran 2 times" in text for text in report["problems"])
    assert any("leases changed" in text for text in report["problems"])


def careless(directory: Path, tick: kill_harness.Tick) -> small_flow.SmallFlow:
    """The same flow where the guard of one step is broken until the run is over, and the record is forgotten while it goes on."""
    flow = small_flow.make(directory, tick)
    over = directory / "over"
    if not over.exists():
        for host in flow.hosts.hosts.values():
            host.handlers.insert(0, (re.compile(r"test -f /etc/mesh\.key"), lambda _host, _match: 1))
    run = flow.run

    def run_and_note() -> None:
        if not over.exists():
            flow.state._record = None
        run()
        over.touch()

    flow.run = run_and_note  # type: ignore[method-assign]
    return flow


def test_the_next_run_tells_where_the_last_was_cut_off(tmp_path: Path) -> None:
    def killed() -> None:
        small_flow.make(tmp_path, kill_harness.Counter(12)).run()

    code, _ = kill_harness.in_child(killed)
    assert code == -9
    text = small_flow.make(tmp_path, lambda _what: None).resumed
    assert "the `sloth up` of" in text
    assert "was cut off in “Prepare”" in text


def test_a_harness_whose_flow_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="fails itself"):
        harness("tests.unit.engine.test_kill:failing", tmp_path)


def failing(directory: Path, tick: kill_harness.Tick) -> small_flow.SmallFlow:
    """A flow whose machines cannot be reached."""
    flow = small_flow.make(directory, tick)
    flow.hosts.hosts.clear()
    return flow
