"""The control plane: founded once, joined one after the other, never begun anew over a lost one."""

import pytest

from sloth.errors import KubernetesError, StepError
from sloth.model.phase import Keep
from sloth.phases.control_plane import ControlPlane
from tests.unit.phases.orders import Named, Player, cluster

PHASE = ControlPlane(Named())
INFO = {"join_info": "info"}


def test_a_new_control_plane_is_founded_and_joined_in_order():
    player = Player(dict(INFO))
    end = player.play(PHASE, cluster("cp-1", "cp-2", "cp-3", "work-1"))
    assert player.scripts == [
        ("first_server", "cp-1"),
        ("join_info", "cp-1"), ("join", "cp-2", "info"),
        ("join_info", "cp-1"), ("join", "cp-3", "info"),
    ]  # fmt: skip
    assert all(end.record.node(name).joined for name in ("cp-1", "cp-2", "cp-3"))
    assert not end.record.node("work-1").joined
    assert end.fact("cp-1").get("kube.state") == "joined"
    assert end.changed == {"cp-1", "cp-2", "cp-3"}


def test_a_whole_control_plane_is_left_alone():
    names = ("cp-1", "cp-2", "cp-3")
    player = Player()
    end = player.play(PHASE, cluster(*names, states=dict.fromkeys(names, "joined"), joined=names))
    assert player.orders == []
    assert end.changed == frozenset()


def test_members_whose_joining_was_not_recorded_are_recorded():
    names = ("cp-1", "cp-2", "cp-3")
    player = Player()
    end = player.play(PHASE, cluster(*names, states=dict.fromkeys(names, "joined"), joined=("cp-2",)))
    assert [type(order) for order in player.orders] == [Keep]
    assert all(end.record.node(name).joined for name in names)
    assert end.changed == frozenset()  # nothing was changed on a node


def test_a_founding_that_was_cut_off_is_resumed():
    player = Player(dict(INFO))
    player.play(PHASE, cluster("cp-1", "cp-2", states={"cp-1": "broken"}))
    assert player.scripts[0] == ("first_server", "cp-1")


def test_what_is_missing_joins_a_working_member():
    player = Player(dict(INFO))
    names = ("cp-1", "cp-2", "cp-3")
    player.play(PHASE, cluster(*names, states={"cp-1": "broken", "cp-2": "joined", "cp-3": "joined"}, joined=names))
    assert player.scripts == [("join_info", "cp-2"), ("join", "cp-1", "info")]  # broken is resumed, not evicted


def test_a_lost_members_predecessor_is_evicted_first():
    player = Player(dict(INFO))
    names = ("cp-1", "cp-2", "cp-3")
    player.play(PHASE, cluster(*names, states={"cp-2": "joined", "cp-3": "joined"}, joined=names))
    assert player.scripts == [("evict", "cp-2", "cp-1"), ("join_info", "cp-2"), ("join", "cp-1", "info")]


@pytest.mark.parametrize("state", ["none", "broken"])
def test_a_lost_control_plane_is_never_begun_anew(state):
    player = Player()
    with pytest.raises(KubernetesError) as caught:
        player.play(PHASE, cluster("cp-1", "cp-2", states={"cp-1": state}, joined=("cp-1",)))
    assert caught.value.code == "kubernetes/control-plane-lost"
    assert ("broken" if state == "broken" else "gone") in caught.value.detail
    assert player.orders == []
    assert caught.value.hint == "sloth ssh cp-1 -- journalctl -u named-control-plane -n 50"


def test_a_founding_that_fails_is_not_recorded():
    player = Player({"first_server": StepError("step/failed", "no", hint="sloth up")})
    with pytest.raises(StepError):
        player.play(PHASE, cluster("cp-1"))
    assert not player.record.node("cp-1").joined


def test_a_joining_that_fails_keeps_what_came_before():
    player = Player({**INFO, ("join", "cp-3"): StepError("step/failed", "no", hint="sloth up")})
    with pytest.raises(StepError):
        player.play(PHASE, cluster("cp-1", "cp-2", "cp-3"))
    assert [player.record.node(name).joined for name in ("cp-1", "cp-2", "cp-3")] == [True, True, False]
