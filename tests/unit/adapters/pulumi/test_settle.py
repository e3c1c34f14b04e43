"""One stack from what it is to what its plan says: surprises refused, strays taken over, cut off anywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sloth.adapters.pulumi import notes
from sloth.adapters.pulumi import settle as module
from sloth.adapters.pulumi.events import UNKNOWN
from sloth.adapters.pulumi.settle import Task, look, node_of, settle
from sloth.errors import MachinesError
from tests.unit.adapters.pulumi.engine import CLOUD, NETWORK, SERVER, Cut, Declared, Stack, World, plan


@pytest.fixture(autouse=True)
def declared(monkeypatch):
    monkeypatch.setattr(module, "program", Declared)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def stack(tmp_path, world):
    return Stack(tmp_path, world)


def task(stack, *names, **more):
    """With a survey of now."""
    stack.calls.clear()
    return Task(cloud=CLOUD, stack=stack, plan=more.pop("plan", plan(*names)), found=stack.world.found(), **more)


def refused(work):
    with pytest.raises(MachinesError) as caught:
        work()
    assert caught.value.code == "cloud/would-replace"
    return caught.value


def test_fresh_needs_one_call(stack, world):
    changed, answers = settle(task(stack, "work-1", "work-2"))
    assert changed
    assert answers.shared == {"network": world.ids["network"]}
    assert stack.calls == ["up"]
    assert set(world.ids) == {"network", "work-1", "work-2"}


def test_nothing_to_do_needs_no_call_and_gives_the_same_answers(stack):
    _, first = settle(task(stack, "work-1"))
    changed, again = settle(task(stack, "work-1"))
    assert (changed, again.shared) == (False, first.shared)
    assert stack.calls == []
    report, seen = look(task(stack, "work-1"))
    assert (report.changes, seen.shared, stack.calls) == ({}, first.shared, [])


def test_one_more_is_looked_at_first(stack, world):
    settle(task(stack, "work-1"))
    changed, _ = settle(task(stack, "work-1", "work-2"))
    assert changed
    assert stack.calls == ["preview", "up"]
    assert world.births == ["network", "work-1", "work-2"]


def test_without_a_note_it_is_looked_at_and_nothing_is_done(stack, world):
    settle(task(stack, "work-1"))
    notes.drop(stack.engine.work, "toy")
    assert settle(task(stack, "work-1"))[0] is False
    assert stack.calls == ["preview", "up"]  # which changes nothing: it may be that the state lacks dependencies
    assert world.births == ["network", "work-1"]
    settle(task(stack, "work-1"))
    assert stack.calls == []


def test_a_dead_runs_lock_goes_also_where_nothing_is_to_be_done(stack):
    settle(task(stack, "work-1"))
    note = notes.read(stack.engine.work, "toy")
    notes.write(stack.engine.work, "toy", replace(note, digest="of another version"))
    stack.locks["toy"] = "ann@desk, process 7"
    assert settle(task(stack, "work-1"))[0] is False
    assert stack.locks == {}
    assert "ann@desk, process 7" in stack.said[-1].title


def test_a_failure_leaves_no_note(stack):
    settle(task(stack, "work-1"))
    stack.odd = {"network": "replace"}
    refused(lambda: settle(task(stack, "work-1", "work-2")))
    assert notes.read(stack.engine.work, "toy") is None


def test_strays_are_taken_over_and_told(stack, world):
    settle(task(stack, "work-1"))
    world.ids["work-2"] = "made-by-a-lost-run"
    changed, _ = settle(task(stack, "work-1", "work-2"))
    assert changed
    assert world.births == ["network", "work-1"]
    assert stack.calls == ["preview", "take over", "preview", "up"]
    assert stack.state == {"network", "work-1", "work-2"}
    assert "taking over" in stack.said[0].title and "work-2" in stack.said[0].title


def test_a_stray_of_another_kind_or_name_is_none(stack, world):
    report = stack._report(Declared(CLOUD, plan("work-1"), None))
    world.ids.update({"work-9": "7", "network": "8"})
    assert module.strays_of(task(stack, "work-1"), report) == {(NETWORK, "network"): "8"}


def test_replacing_and_deleting_what_stays_is_refused_before_anything_changes(stack, world):
    settle(task(stack, "work-1", "work-2"))
    before = dict(world.ids)
    stack.odd = {"work-1": "replace"}
    error = refused(lambda: settle(task(stack, "work-1", "work-2", "work-3")))
    assert (error.where, error.hint) == ("work-1", "sloth up --replace work-1")
    assert error.detail == "replace work-1 (Server) because of size"
    stack.odd = {"work-1": "replace", "work-2": "replace"}
    error = refused(lambda: settle(task(stack, "work-1", "work-2")))
    assert error.hint == "sloth up --replace work-1 --replace work-2"
    for odd in ({"network": "replace"}, {"network": "replace", "work-1": "replace"}):  # no new node would help
        stack.odd = odd
        assert "spec" in refused(lambda: settle(task(stack, "work-1", "work-2", "work-3"))).hint
    stack.odd = {}
    stack.state.add("work-1-data")
    assert (
        refused(lambda: settle(task(stack, "work-1", "work-2", "work-3"))).detail == "delete work-1-data (Server) because of size"
    )
    assert world.ids == before


def test_what_goes_with_its_node_is_deleted(stack, world):
    settle(task(stack, "work-1", "work-2"))
    stack.state.add("work-2-data")
    settle(task(stack, "work-1", gone=frozenset({"work-2"})))
    assert set(world.ids) == {"network", "work-1"}


def test_a_node_whose_name_continues_anothers_may_go(stack, world):
    """Pool `work-1` has a node `work-1-2`; pool `work` has `work-1`, which stays."""
    settle(task(stack, "work-1", "work-1-2"))
    settle(task(stack, "work-1", gone=frozenset({"work-1-2"})))
    assert set(world.ids) == {"network", "work-1"}
    settle(task(stack, "work-1", "work-1-2"))
    stack.odd = {"work-1-2": "replace"}
    refused(lambda: settle(task(stack, "work-1", "work-1-2", "work-2", leaving=frozenset({"work-1"}))))


def test_a_plan_shows_replacements_that_the_guard_would_refuse(stack, world):
    settle(task(stack, "work-1", "work-2"))
    before = dict(world.ids)
    stack.odd = {"work-2": "replace"}
    report, _ = look(task(stack, "work-1", "work-2", "work-3"))
    told = {(change.action, change.name) for change in report.changes.values()}
    assert told == {("create", "work-3"), ("replace", "work-2")}
    assert world.ids == before


def test_a_node_that_leaves_stays_as_it_is_until_then(stack, world):
    """So that the hint leads somewhere: what the guard would refuse must not keep the node from going."""
    settle(task(stack, "work-1", "work-2"))
    world.ids["work-3"] = "made-by-a-lost-run"
    before = dict(world.ids)
    stack.odd = {"work-2": "replace", "work-1": "update"}
    settle(task(stack, "work-1", "work-2", "work-3", leaving=frozenset({"work-2"})))
    assert (world.ids, stack.odd) == (before, {"work-2": "replace"})
    refused(lambda: settle(task(stack, "work-1", "work-2", "work-3")))  # it is not taken for done if the run is cut off here
    settle(task(stack, "work-1", "work-3", gone=frozenset({"work-2"})))
    settle(task(stack, "work-1", "work-2", "work-3"))
    assert world.births.count("work-2") == 2
    assert {name: ident for name, ident in world.ids.items() if name != "work-2"} == {
        name: ident for name, ident in before.items() if name != "work-2"
    }


def test_how_much_there_is_to_do_is_told_where_a_plan_has_counted_it(stack):
    settle(task(stack, "work-1"))
    settle(task(stack, "work-1", "work-2", "work-3"))
    assert stack.totals == [0, 2]


def test_a_server_that_is_gone_comes_again_with_a_note_and_without(stack, world):
    settle(task(stack, "work-1", "work-2"))
    for known in (True, False):
        del world.ids["work-2"]
        if not known:
            notes.drop(stack.engine.work, "toy")
        assert settle(task(stack, "work-1", "work-2"))[0]
        assert set(world.ids) == {"network", "work-1", "work-2"}
    world.ids.clear()
    notes.drop(stack.engine.work, "toy")
    settle(task(stack, "work-1"))
    assert set(world.ids) == {"network", "work-1"}


def test_a_server_that_is_gone_and_was_not_asked_for_is_left_alone(stack, world):
    """There is no user-data to make it with."""
    settle(task(stack, "work-1"))
    del world.ids["work-1"]
    settle(task(stack, plan=plan("work-1", data="")))
    assert stack.calls == []
    assert world.births == ["network", "work-1"]


def test_operations_that_were_cut_off_are_settled_and_told(stack, world):
    settle(task(stack, "work-1"))
    world.ids["work-2"] = "begun-by-a-killed-engine"
    stack.pending = {"work-2", "work-3"}
    settle(task(stack, "work-1", "work-2"))
    assert stack.pending == set()
    assert "2 operations of an earlier run were cut off" in stack.said[1].title
    assert "work-2" not in world.births


MOMENTS = [(number, carried_out) for number in range(8) for carried_out in (False, True)]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("half", [False, True])
def test_cut_off_between_any_two_calls_the_next_run_converges(stack, world, moment, half):
    settle(task(stack, "work-1", "work-2"))
    del world.ids["work-2"]
    world.ids["work-4"] = "stray"
    stack.cut_at, stack.half = moment, half and not moment[1]
    wanted = ("work-1", "work-2", "work-3", "work-4")
    try:
        settle(task(stack, *wanted))
        was_cut = False
    except Cut:
        was_cut = True
    assert was_cut or len(stack.calls) <= moment[0]
    stack.cut_at, stack.half = (-1, False), False
    settle(task(stack, *wanted))
    assert stack.state == set(world.ids) == {"network", *wanted}
    assert stack.loose == set()
    assert sorted(world.births) == ["network", "work-1", "work-2", "work-2", "work-3"]
    settle(task(stack, *wanted))
    assert stack.calls == []


@pytest.mark.parametrize(("name", "owner"), [
    ("work-1", "work-1"), ("work-1-data", "work-1"), ("work-12", "work-12"), ("work-12-data", "work-12"), ("work-2", ""),
    ("network", ""), ("work", ""), ("api-work-1", ""),
])  # fmt: skip
def test_whose_a_resource_is(name, owner):
    assert node_of(name, {"work-1", "work-12"}) == owner


def test_other_stacks_declare_no_network(tmp_path, world):
    world.ids["network"] = "7"
    other = Stack(tmp_path, world, "toy-1")
    settle(task(other, "work-1", shared={"network": "7"}))
    assert other.state == {"work-1"}
    assert SERVER in {found.token for found in world.found()}


def test_an_id_is_made_of_properties_that_are_known():
    assert module._ident("{networkId}-{ipRange}", {"networkId": 7.0, "ipRange": "10.1.0.0/16"}) == "7-10.1.0.0/16"
    assert module._ident("{networkId}-{ipRange}", {"networkId": UNKNOWN, "ipRange": "10.1.0.0/16"}) == ""
    assert module._ident("{networkId}", {}) == ""


def test_an_id_can_be_made_of_parts_of_properties():
    disk = {"machine": "vm", "disk": "/group/disks/data", "subnet": "7-10.1.0.0/16"}
    assert module._ident("{machine}/dataDisks/{disk:/-1}", disk) == "vm/dataDisks/data"
    assert module._ident("1-{subnet:-0}", disk) == "1-7"
    assert module._ident("{machine:/3}", disk) == ""
    assert module._ident("{disk:/-1}", {"disk": UNKNOWN}) == ""
