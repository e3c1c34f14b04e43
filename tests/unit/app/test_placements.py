"""Whole runs where the provider chooses where machines go: before anything is made, kept, and forgotten with the node."""

import json

import pytest

from sloth.cli.down import take_down
from sloth.cli.plan import show_plan
from sloth.cli.up import bring_up
from sloth.errors import ConfigError
from sloth.testing import FakeMachines
from tests.unit.app.world import World


class Choosing(FakeMachines):
    """Remembers what it was asked, and the placements that came with each request."""

    def __init__(self, directory, after):
        super().__init__(directory, after=after)
        self.asked, self.placed, self.problem, self.size = [], {}, None, "small"

    def preflight(self, new, known):
        self.asked.append((list(new), sorted(known)))
        if self.problem:
            raise self.problem
        return {name: {"size": self.size, "location": "north", "image": "img-7", "image_name": "debian-12"} for name in new}

    def apply(self, wanted):
        self.placed.update({request.name: dict(request.placement) for request in wanted})
        return super().apply(wanted)


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World(tmp_path).install(monkeypatch)
    world.machines = Choosing(tmp_path, after=world.tick)
    return world


def up(world):
    return bring_up(world.options, yes=True).data


def test_chosen_once_kept_before_anything_is_made_and_handed_over(world, monkeypatch):
    kept = []
    monkeypatch.setattr(
        world, "_tick", lambda what: what.startswith("made") and kept.append(world.state.load().placements("local"))
    )
    up(world)
    assert world.machines.asked == [(["cp-1", "work-1", "work-2"], [])]
    assert len(kept) == 3
    assert set(kept[0]) == {"cp-1", "work-1", "work-2"}
    assert world.machines.placed["work-2"] == kept[0]["work-2"]
    up(world)
    assert len(world.machines.asked) == 1


def test_only_new_nodes_are_asked_about_and_gone_ones_forgotten(world):
    up(world)
    world.write(workers=3)
    world.machines.size = "big"
    up(world)
    assert world.machines.asked[1:] == [(["work-3"], ["cp-1", "work-1", "work-2"])]
    assert {name: place["size"] for name, place in world.machines.placed.items()} == {
        "cp-1": "small", "work-1": "small", "work-2": "small", "work-3": "big",
    }  # fmt: skip
    world.write(workers=1)
    up(world)
    assert set(world.state.load().placements("local")) == {"cp-1", "work-1"}


def test_a_plan_asks_and_keeps_nothing(world):
    show_plan(world.options)
    assert world.machines.asked == [(["cp-1", "work-1", "work-2"], [])]
    assert world.state.load() is None


def test_what_cannot_be_stops_before_anything_is_made(world):
    world.machines.problem = ConfigError("cloud/quota", "too many", hint="ask")
    with pytest.raises(ConfigError) as caught:
        up(world)
    assert caught.value.code == "cloud/quota"
    assert world.machines.survey() == []
    world.machines.problem, world.machines.size = None, "other"
    up(world)
    assert {place["size"] for place in world.machines.placed.values()} == {"other"}


def test_images_are_pinned_beside_the_spec(world):
    up(world)
    assert json.loads((world.directory / "sloth.lock").read_text())["images"] == {"local": {"debian-12": "img-7"}}


def test_a_cluster_that_is_made_anew_is_placed_anew(world):
    up(world)
    take_down(world.options, yes=True)
    up(world)
    assert [new for new, _ in world.machines.asked] == [["cp-1", "work-1", "work-2"]] * 2
