"""Nodes that must go: drained first, then the machine, then the lease."""

from dataclasses import replace

import pytest

from sloth.errors import KubernetesError, StepError
from sloth.model.phase import DeleteMachines, Each, Keep, Say
from sloth.model.plan import Plan
from sloth.phases.depart import Depart, working_server
from tests.unit.phases.orders import Named, Player, cluster, lease

PHASE = Depart(Named())


def leaving(*names, **settings):
    start = cluster("cp-1", "work-1", **settings)
    gone = tuple(lease(name, number) for number, name in enumerate(names, 8))
    record = replace(start.record, leases=(*start.record.leases, *gone))
    return replace(start, record=record, plan=Plan(leases=start.plan.leases, remove=gone))


def test_one_after_the_other_drain_delete_forget():
    player = Player()
    end = player.play(PHASE, leaving("work-2", "work-3", states={"cp-1": "joined"}))
    kinds = [type(order) for order in player.orders]
    assert kinds == [Each, DeleteMachines, Keep] * 2
    assert player.scripts == [("evict", "cp-1", "work-2"), ("evict", "cp-1", "work-3")]
    assert [order.names for order in player.of(DeleteMachines)] == [("work-2",), ("work-3",)]
    assert [each.name for each in end.record.leases] == ["cp-1", "work-1"]
    assert end.changed == {"work-2", "work-3"}


def test_what_cannot_be_drained_is_not_deleted():
    player = Player({"evict": StepError("step/failed", "a budget forbids it", hint="sloth up")})
    with pytest.raises(StepError):
        player.play(PHASE, leaving("work-2", states={"cp-1": "joined"}))
    assert player.of(DeleteMachines) == []
    assert "work-2" in {each.name for each in player.record.leases}


def test_without_a_server_a_member_stays_and_a_stranger_goes():
    start = leaving("work-2")
    with pytest.raises(KubernetesError) as caught:
        Player().play(PHASE, replace(start, record=start.record.with_node("work-2", joined=True)))
    assert caught.value.code == "kubernetes/no-server"
    player = Player()
    player.play(PHASE, start)  # never joined: there is nothing to drain
    assert [type(order) for order in player.orders] == [DeleteMachines, Keep]


def test_nothing_to_remove_is_nothing_to_do():
    player = Player()
    assert player.play(PHASE, cluster("cp-1")) == cluster("cp-1")
    assert player.orders == []


def test_the_working_server_is_the_first_member_that_stays():
    assert working_server(cluster("cp-1", "cp-2", "work-1", states={"cp-1": "broken", "cp-2": "joined"})).name == "cp-2"
    assert working_server(cluster("cp-1", "work-1", states={"work-1": "joined"})) is None


def test_an_existing_host_that_leaves_is_said_to_keep_what_is_on_it():
    player = Player()
    player.play(PHASE, leaving("metal-a", states={"cp-1": "joined"}))
    (said,) = player.of(Say)
    assert said.warning
    assert "metal-a" in said.text
