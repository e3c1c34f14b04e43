"""What goes wrong at a cloud, and the next run, with the real engine."""

from __future__ import annotations

import pytest

from sloth.adapters.pulumi import machines
from tests.clouds.adapter.world import failing
from tests.clouds.fakes.hcloud import SERVER


@pytest.mark.parametrize("lost", ["work-1", "network"])
def test_a_create_whose_answer_was_lost_is_taken_over_and_not_made_twice(world, lost):
    world.fake.faults.lost = {lost}
    error = failing(world.up)
    assert (error.code, error.where) == ("cloud/failed", "hcloud")
    assert "unexpected EOF" in error.detail
    world.up()
    assert world.servers() == ["control-1", "work-1", "work-2"]
    created = world.fake.made("Create")
    assert lost not in created  # it was made once, by the call that failed
    assert len(created) == len(set(created))
    assert any("taking over what an earlier run made" in event.title and lost in event.title for event in world.events)
    assert world.down() == []
    assert world.fake.items == {}


def test_a_part_without_a_tag_whose_answer_was_lost_is_taken_over(world):
    """The survey sees no subnet, and Hetzner makes none twice."""
    world.fake.faults.lost = {"subnet"}
    assert failing(world.up).code == "cloud/failed"
    world.up()
    assert world.servers() == ["control-1", "work-1", "work-2"]
    assert "subnet" not in world.fake.made("Create")  # once, by the call that failed
    assert any("taking over" in event.title and "subnet" in event.title for event in world.events)
    assert world.down() == []
    assert world.fake.items == {}


def test_a_quota_leaves_what_was_made_and_the_next_run_uses_it(world):
    world.fake.faults.quota = 2
    error = failing(world.up)
    assert (error.code, error.exit) == ("cloud/quota", 12)
    assert "resource_limit_exceeded" in error.detail
    assert "higher limit" in error.hint
    made = {item.id for item in world.fake.all(SERVER)}
    assert len(made) == 2
    world.fake.faults.quota = None
    world.up()
    assert made < {item.id for item in world.fake.all(SERVER)}
    created = world.fake.made("Create")
    assert len(created) == len(set(created))


def test_a_deletion_that_is_refused_while_something_is_in_use_is_tried_again(world):
    world.begin()
    world.fake.faults.stubborn = {"network": 2, "firewall": 1}
    assert world.down() == []
    assert world.fake.items == {}
    assert any("still in use" in event.title for event in world.events)


def test_a_deletion_that_stays_refused_says_what_is_in_the_way(world, monkeypatch):
    world.begin()
    monkeypatch.setattr(machines, "_TRIES", 2)
    world.fake.faults.stubborn = {"network": 100}
    error = failing(world.down)
    assert error.code == "cloud/in-use"
    assert "Network network" in error.detail
    world.fake.faults.stubborn = {}
    assert world.down() == []


def test_what_no_stack_knows_of_is_deleted_with_the_cluster(world):
    """The state is lost, or a controller of Kubernetes made something."""
    world.begin()
    for folder in ("state", "work"):
        (world.folder / folder).rename(world.folder.parent / f"lost-{folder}")
    assert world.down() == []
    assert [item.name for item in world.fake.all(SERVER)] == []


def test_a_refused_token_is_told_as_such_and_nothing_is_changed(world):
    world.fake.token = "expired"
    error = failing(world.up)
    assert (error.code, error.exit) == ("cloud/credentials", 11)
    assert "HCLOUD_TOKEN" in error.hint
    assert world.calls() == []


def test_another_passphrase_is_told_as_such_and_nothing_is_changed(world):
    world.begin()
    world.calls()
    world.passphrase, world.work = "not-the-same-at-all", 3
    error = failing(world.up)
    assert (error.code, error.exit) == ("engine/wrong-passphrase", 16)
    assert world.calls() == []


def test_a_damaged_state_is_told_as_such_and_nothing_is_changed(world):
    world.begin()
    world.calls()
    state = next((world.state / ".pulumi" / "stacks").rglob("hcloud.json"))
    whole = state.read_text()
    world.work = 3
    for broken in (whole[: len(whole) // 2], ""):
        state.write_text(broken)
        error = failing(world.up)
        assert (error.code, error.exit) == ("engine/state-damaged", 16), error.detail
        assert world.calls() == []
    state.write_text(whole)
    world.up()
    assert "work-3" in world.servers()


def test_damaged_leftovers_of_questions_are_made_anew(world):
    world.begin()
    state = next((world.folder / "work" / "scratch").rglob("scratch.json"))
    state.write_text("{")
    world.calls()
    world.up()
    assert world.calls() == []


def test_a_defect_in_a_program_is_told_with_its_evidence(world, monkeypatch):
    def broken(*_):
        raise KeyError("no such thing as a subnet")

    monkeypatch.setattr(type(world.machines().cloud), "server", broken)
    error = failing(world.up)
    assert error.code == "cloud/failed"
    assert "no such thing as a subnet" in error.detail
    assert world.servers() == []
