"""`sloth backup restore` is killed after every single thing it does; the same command finishes it, and `up` has nothing to do."""

import tempfile
from pathlib import Path

import pytest

from tests.unit.app import kill_flow, restore_flow
from tests.unit.engine.kill_harness import in_child, killed_run, whole_run

# Measured lines of killed processes are lost anyway, and measuring makes this three times slower.
pytestmark = [pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"), pytest.mark.no_cover]
PARTS = 3  # of the work, so that several workers share it


@pytest.fixture
def folder():
    """In memory where possible."""
    with tempfile.TemporaryDirectory(dir=kill_flow.memory()) as name:
        yield Path(name)


@pytest.fixture(scope="module", autouse=True)
def loaded():
    kill_flow.load_everything()
    restore_flow.keys()


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_after_every_step_and_finished_by_the_same_command(folder, part):
    begin = folder / "template"
    begin.mkdir()
    assert in_child(lambda: restore_flow.template(begin))[0] == 0
    make = restore_flow.make(begin)
    (folder / "whole").mkdir()
    ticks = whole_run(make, folder / "whole")
    for title in ("saved", "cp-1: halt", "cp-3: halt", "cp-1: restore", "cp-1: note that the data is back", "cp-2: join"):
        assert title in ticks
    assert max(ticks.index(f"{name}: halt") for name in restore_flow.SERVERS) < ticks.index("cp-1: restore")
    problems = []
    for number in range(1 + part, len(ticks) + 1, PARTS):
        place = folder / f"kill-{number}"
        place.mkdir()
        problems += [f"killed after {ticks[number - 1]} ({number}): {text}" for text in killed_run(make, place, number)]
    assert problems == []
