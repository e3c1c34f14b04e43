"""Workers join side by side; one that fails does not hold up the others."""

import pytest

from sloth.errors import ManyErrors, StepError
from sloth.phases.workers import Workers
from tests.unit.phases.orders import Named, Player, cluster

WORKERS = Workers(Named())
INFO = {"join_info": "info"}


def ready(*names, **settings):
    return cluster("cp-1", *names, states={"cp-1": "joined", **settings.pop("states", {})}, **settings)


def test_workers_join_side_by_side_with_one_token():
    player = Player(dict(INFO))
    end = player.play(WORKERS, ready("work-1", "work-2", "work-3", states={"work-2": "joined"}, joined=("work-2",)))
    assert player.scripts == [("join_info", "cp-1"), [("join", "work-1", "info"), ("join", "work-3", "info")]]
    assert end.changed == {"work-1", "work-3"}
    assert all(end.record.node(name).joined for name in ("work-1", "work-2", "work-3"))


def test_one_worker_that_fails_does_not_hold_up_the_others():
    error = StepError("step/failed", "no", hint="sloth up")
    player = Player({**INFO, ("join", "work-1"): error})
    with pytest.raises(StepError):
        player.play(WORKERS, ready("work-1", "work-2"))
    assert [player.record.node(name).joined for name in ("work-1", "work-2")] == [False, True]
    player = Player({**INFO, "join": error})
    with pytest.raises(ManyErrors):
        player.play(WORKERS, ready("work-1", "work-2"))


def test_a_lost_worker_is_evicted_before_it_joins_again():
    player = Player(dict(INFO))
    player.play(WORKERS, ready("work-1", joined=("cp-1", "work-1")))
    assert player.scripts == [("evict", "cp-1", "work-1"), ("join_info", "cp-1"), ("join", "work-1", "info")]


def test_nothing_to_join_or_nobody_to_join():
    for start in (ready("work-1", states={"work-1": "joined"}, joined=("work-1",)), cluster("work-1"), ready()):
        player = Player()
        player.play(WORKERS, start)
        assert player.orders == []


def test_a_member_whose_joining_was_not_recorded_is_recorded():
    end = Player().play(WORKERS, cluster("cp-1", "work-1", states={"cp-1": "joined", "work-1": "joined"}))
    assert end.record.node("work-1").joined


def test_the_first_working_server_gives_the_token():
    player = Player(dict(INFO))
    states = {"cp-1": "broken", "cp-2": "joined", "cp-3": "joined"}
    player.play(WORKERS, cluster("cp-1", "cp-2", "cp-3", "work-1", states=states, joined=tuple(states)))
    assert player.scripts == [("join_info", "cp-2"), ("join", "work-1", "info")]
