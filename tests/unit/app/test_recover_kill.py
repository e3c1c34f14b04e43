"""`sloth recover` is killed after every single thing it does for a damaged etcd member; the same command finishes it."""

import tempfile
from pathlib import Path

import pytest

from tests.unit.app import kill_flow, member_flow
from tests.unit.engine.kill_harness import in_child, killed_run, whole_run

# Measured lines of killed processes are lost anyway, and measuring makes this three times slower.
pytestmark = [pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"), pytest.mark.no_cover]


def test_killed_after_every_step_and_finished_by_the_same_command():
    kill_flow.load_everything()
    with tempfile.TemporaryDirectory(dir=kill_flow.memory()) as name:
        folder = Path(name)
        begin = folder / "template"
        begin.mkdir()
        assert in_child(lambda: member_flow.template(begin))[0] == 0
        make = member_flow.make(begin)
        (folder / "whole").mkdir()
        ticks = whole_run(make, folder / "whole")
        assert ticks.index("cp-1: dismiss cp-2") < ticks.index("cp-2: halt") < ticks.index("cp-2: join")
        assert ticks.index("cp-1: save a snapshot of etcd") < ticks.index("cp-1: dismiss cp-2")
        problems = []
        for number in range(1, len(ticks) + 1):
            place = folder / f"kill-{number}"
            place.mkdir()
            problems += [f"killed after {ticks[number - 1]} ({number}): {text}" for text in killed_run(make, place, number)]
        assert problems == []
