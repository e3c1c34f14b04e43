"""`sloth upgrade apply` is killed after every single thing it does; the next one finishes it, and a third has nothing to do.

Hosts refuse what no upgrade may do (`toy_upgrade`), so that a wrong order ends a run; and no node is drained or upgraded again
that was finished before the kill.
"""

import tempfile
from pathlib import Path

import pytest

from tests.unit.app import kill_flow, upgrade_flow
from tests.unit.engine.kill_harness import killed_run, whole_run

pytestmark = [pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"), pytest.mark.no_cover]
PARTS = 3
AT_LEAST = 85


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(dir=kill_flow.memory()) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def make():
    """The flow; one run in this process before it, so that forked ones need not import anything."""
    with tempfile.TemporaryDirectory(dir=kill_flow.memory()) as name, pytest.MonkeyPatch.context() as patch:
        for place, count in (("small", 1), ("template", 3)):
            (Path(name) / place).mkdir()
            world = upgrade_flow.world_at_old(Path(name) / place, patch, control=count, workers=count)
            if count == 1:
                upgrade_flow.UpgradeFlow(world).run()
        yield upgrade_flow.maker(Path(name) / "template")


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_after_every_step_and_finished_by_the_next_run(folder, make, part):
    (folder / "whole").mkdir()
    ticks = whole_run(make, folder / "whole")
    assert len(ticks) >= AT_LEAST
    for title in ("saved", "cp-1: upgrade", "cp-2: drained cp-1", "cp-1: uncordon work-1", "cp-1: drained work-2"):
        assert title in ticks
    problems = []
    for number in range(1 + part, len(ticks) + 1, PARTS):
        place = folder / f"kill-{number}"
        place.mkdir()
        found = killed_run(make, place, number)
        problems += [f"killed after {ticks[number - 1]} ({number}): {text}" for text in found]
    assert problems == []
