"""Removing and replacing a node is killed at many moments of its work; the same command, run again, finishes it."""

import tempfile
from pathlib import Path

import pytest

from tests.unit.app import kill_flow
from tests.unit.app.kill_nodes import Removal, Replacement
from tests.unit.engine.kill_harness import killed_run, whole_run

pytestmark = [pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"), pytest.mark.no_cover]
KILLS = 15  # moments of each run, besides those that are named


@pytest.fixture
def folder():
    """In memory where possible."""
    with tempfile.TemporaryDirectory(dir=kill_flow.memory()) as name:
        yield Path(name)


@pytest.fixture(scope="module", autouse=True)
def loaded():
    kill_flow.load_everything()


@pytest.mark.parametrize(
    ("make", "moments"),
    [
        (Removal, ["saved", "cp-1: look at Kubernetes", "cp-1: evict work-1", "deleted work-1"]),
        (Replacement, ["saved", "cp-1: evict work-1", "deleted work-1", "made work-1", "work-1: join"]),
    ],
    ids=["remove", "replace"],
)
def test_killed_at_any_moment_and_finished_by_the_same_command(folder, make, moments):
    (folder / "whole").mkdir()
    ticks = whole_run(make, folder / "whole")
    assert [moment for moment in moments if moment not in ticks] == []
    assert len(ticks) >= 15
    every = -(-len(ticks) // KILLS)
    chosen = {number for number, what in enumerate(ticks, 1) if what in moments or number % every == 0}
    problems = []
    for number in sorted(chosen):
        what = ticks[number - 1]
        place = folder / f"kill-{number}"
        place.mkdir()
        problems += [f"killed after {what} ({number}): {text}" for text in killed_run(make, place, number)]
    assert problems == []
