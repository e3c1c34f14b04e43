"""Before a node is marked as leaving: the sum is told, and there is room for the snapshot that its removal begins with."""

import pytest

from sloth.errors import KubernetesError, StepError
from sloth.model.phase import Each, Keep
from sloth.phases.leave_check import LeaveCheck
from tests.unit.phases.orders import cluster
from tests.unit.phases.test_quorum import Group, WithEtcd

NAMES = ("cp-1", "cp-2", "cp-3", "work-1")
STATES = dict.fromkeys(NAMES, "joined")


class Full(Group):
    """No host has room."""

    def _one(self, script, gather):
        if not isinstance(script, tuple) and script.__qualname__ == "_room":
            raise StepError("node/disk-full", "cp-2: its disk is full", where="cp-2", hint="df -h")
        return super()._one(script, gather)


def titles(player):
    return [(order.title, *order.scripts) for order in player.of(Each)]


def test_the_node_that_would_save_the_snapshot_is_asked_for_room():
    player = Group({1: "well", 2: "well", 3: "well"})
    player.play(LeaveCheck(WithEtcd(), ("cp-1",)), cluster(*NAMES, states=STATES))
    assert titles(player) == [("count etcd members", "cp-2"), ("look for room on cp-2", "cp-2")]


def test_without_room_nothing_is_begun():
    player = Full({1: "well", 2: "well", 3: "well"})
    with pytest.raises(StepError) as caught:
        player.play(LeaveCheck(WithEtcd(), ("cp-1",)), cluster(*NAMES, states=STATES))
    assert caught.value.code == "node/disk-full"
    assert player.of(Keep) == []


def test_what_the_guard_refuses_is_refused_first():
    player = Full({1: "well", 2: "ill", 3: "well"})
    with pytest.raises(KubernetesError) as caught:
        player.play(LeaveCheck(WithEtcd(), ("cp-1",)), cluster(*NAMES, states=STATES))
    assert caught.value.code == "etcd/quorum"


@pytest.mark.parametrize(("leaving", "members"), [("work-1", {1: "well"}), ("cp-3", {1: "well", 2: "well"})])
def test_where_no_voting_member_goes_no_room_is_needed(leaving, members):
    player = Full(members)
    player.play(LeaveCheck(WithEtcd(), (leaving,)), cluster(*NAMES, states=STATES))
    assert not [title for title, *_ in titles(player) if "room" in title]
