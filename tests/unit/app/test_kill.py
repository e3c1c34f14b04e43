"""`sloth up` is killed after every single thing it does; the next run finishes the work, and a third has nothing to do."""

import tempfile
from pathlib import Path

import pytest

from tests.unit.app import kill_flow
from tests.unit.engine.kill_harness import killed_run, whole_run

# Measured lines of killed processes are lost anyway, and measuring makes this three times slower.
pytestmark = [pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"), pytest.mark.no_cover]
PARTS = 4  # of the work, so that several workers share it
AT_LEAST = 100


@pytest.fixture
def folder():
    """In memory where possible."""
    with tempfile.TemporaryDirectory(dir=kill_flow.memory()) as name:
        yield Path(name)


@pytest.fixture(scope="module", autouse=True)
def loaded():
    kill_flow.load_everything()


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_after_every_step_and_finished_by_the_next_run(folder, part):
    (folder / "whole").mkdir()
    ticks = whole_run(kill_flow.make, folder / "whole")
    assert len(ticks) >= AT_LEAST
    for title in ("saved", "made cp-1", "cp-1: found the cluster", "cp-2: join", "cp-3: put the host's own keys in force"):
        assert title in ticks
    problems = []
    for number in range(1 + part, len(ticks) + 1, PARTS):
        place = folder / f"kill-{number}"
        place.mkdir()
        problems += [f"killed after {ticks[number - 1]} ({number}): {text}" for text in killed_run(kill_flow.make, place, number)]
    assert problems == []


def test_what_is_lost_is_noticed(folder):
    problems = killed_run(kill_flow.forgetful, folder, AT_LEAST)
    assert any("mesh keys" in text for text in problems)
