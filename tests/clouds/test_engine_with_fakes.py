"""Every cloud plugin that has a fake, behind the real engine: made, seen, taken over, unchanged, one more, gone.

One life for each cloud, with all that the cloud can do; tests look at what came of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from sloth.model.cloud import Wanted
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, PoolSpec
from tests.clouds import fakes, specs
from tests.clouds.engine import TOOL, Engine
from tests.clouds.leaks import forms
from tests.clouds.plugins import CLOUDS

FAKED = {name: cloud for name, cloud in CLOUDS.items() if fakes.find(name)}


@dataclass
class Life:
    """What was seen of one cluster at one cloud."""

    plan: Any
    new: str = ""  # the node that came later
    outputs: Any = None
    seen: dict[str, Any] = field(default_factory=dict)  # surveys: before, made, other, after
    offer: Any = None
    unlike: dict[str, Any] = field(default_factory=dict)  # what a plan says: operation -> number
    number: dict[str, int] = field(default_factory=dict)  # creates so far
    later: list[str] = field(default_factory=list)  # created for the new node
    touched: list[str] = field(default_factory=list)  # updated or deleted until then
    text: bytes = b""  # all that the engine left in files
    left: dict[Any, Any] = field(default_factory=dict)


def plan_of(name):
    """The plan with an image that the fake has."""
    plan = specs.whole(CLOUDS[name])
    image = getattr(fakes.find(name), "image", "")
    return replace(plan, servers=tuple(replace(server, image=image or server.image) for server in plan.servers))


@pytest.fixture(scope="session")
def lives(tmp_path_factory):
    """`lives(name)`: the life at that cloud, lived once."""
    assert os.access(TOOL, os.X_OK), f"there is no pulumi CLI at {TOOL}: set SLOTH_PULUMI"
    return cache(lambda name: _live(name, lambda: tmp_path_factory.mktemp(name)))


def _live(name, folder):
    fake, cloud, plan = fakes.find(name)(), CLOUDS[name], plan_of(name)
    spec, life = spec_of(name, plan), Life(plan)
    with fake.serve() as provider:
        engine, other, third = (Engine(folder(), cloud, provider) for _ in range(3))
        wanted = Wanted(sizes=(cloud.example["size"],), locations=(cloud.example["location"],), images=(cloud.default_image,))
        life.seen["before"], life.offer = engine.ask(lambda: (cloud.survey(spec), cloud.catalogue(spec, wanted)))
        life.outputs = engine.up(plan)
        life.number["made"] = len(fake.made())
        life.seen["made"], life.seen["other"] = engine.ask(lambda: (cloud.survey(spec), cloud.survey(replace(spec, name="x"))))
        for taking, fake.tells in ((other, True), (third, False)):
            taking.take_over({(token, item.name): item.id for (token, _), item in fake.items.items()})
        life.unlike["taken over"], life.unlike["taken over untold"] = other.preview(plan), third.preview(plan)
        other.up(plan)
        life.number["taken over"] = len(fake.made())
        life.unlike["the same"] = engine.preview(plan)
        changed = [replace(server, user_data=Secret("#cloud-config\n# newer\n")) for server in plan.servers]
        life.unlike["other user-data"] = engine.preview(replace(plan, servers=tuple(changed)))
        before = len(fake.calls)
        more, life.new = specs.with_one_more(cloud, plan)
        engine.up(more)
        calls = [call for call in fake.calls[before:] if not call.refused]
        life.later = [call.name for call in calls if call.method == "Create"]
        life.touched = [call.name for call in calls if call.method in ("Update", "Delete")]
        life.text = b"".join(each.text() for each in (engine, other, third))
        engine.down(more)
        life.left = dict(fake.items)
        life.seen["after"] = engine.ask(lambda: cloud.survey(spec))
    return life


def spec_of(name, plan):
    """A spec with the plan's pools, as far as surveys look at it: not every cloud can list volumes, so they need the names."""
    pools = {}
    for server in plan.servers:
        disks = [{"name": volume.name, "size": f"{volume.size}Gi"} for volume in server.volumes]
        pools[server.pool] = PoolSpec(name=server.pool, role=server.role, provider=name, count=9, options={"volumes": disks})
    return ClusterSpec(name="shop", providers={name: dict(plan.options)}, pools=tuple(pools.values()))


@pytest.fixture(params=FAKED)
def life(request, lives):
    return lives(request.param)


def test_it_is_made_as_planned(life):
    assert sorted(life.outputs["servers"]) == sorted(server.name for server in life.plan.servers)
    for server in life.plan.servers:
        assert bool(life.outputs["servers"][server.name]["address"]) is server.public
        assert life.outputs["servers"][server.name]["private_address"]
    assert bool(life.outputs.get("balancer")) is bool(life.plan.balance)


def test_the_same_again_changes_nothing(life):
    assert set(life.unlike["the same"]) == {"same"}


def test_other_user_data_changes_nothing(life):
    assert set(life.unlike["other user-data"]) == {"same"}


def test_what_exists_is_taken_over_and_not_made_twice(life):
    assert life.number["taken over"] == life.number["made"]
    assert set(life.unlike["taken over"]) == {"same"}
    assert set(life.unlike["taken over untold"]) == {"same"}  # where the cloud does not tell user-data


def test_one_more_node_makes_its_own_resources_and_touches_no_other(life):
    assert life.later
    assert all(life.new in item for item in life.later)
    assert life.touched == []


def test_user_data_is_in_no_file_of_the_engine(life):
    assert b"shop" in life.text
    assert [form for form in forms(specs.USER_DATA.splitlines()[1]) if form in life.text] == []


def test_afterwards_nothing_is_left(life):
    assert life.left == {}
    assert list(life.seen["after"]) == []


def test_the_survey_sees_what_was_made_and_of_no_other_cluster(life):
    assert list(life.seen["before"]) == []
    assert list(life.seen["other"]) == []
    found = life.seen["made"]
    machines = {item.node: item.machine for item in found if item.kind == "server"}
    assert sorted(machines) == sorted(server.name for server in life.plan.servers)
    disks = [volume for server in life.plan.servers for volume in server.volumes]
    assert len([item for item in found if item.kind == "volume"]) >= len(disks)
    assert bool([item for item in found if item.kind == "load balancer"]) is bool(life.plan.balance)


@pytest.mark.parametrize("name", FAKED)
def test_machines_of_a_survey_are_as_they_were_made(name, lives):
    life, cloud = lives(name), CLOUDS[name]
    public = {server.name for server in life.plan.servers if server.public}
    machines = {item.node: item.machine for item in life.seen["made"] if item.kind == "server"}
    for node, machine in machines.items():
        made = life.outputs["servers"][node]
        assert (machine.name, machine.id, machine.private_address) == (node, made["id"], made["private_address"])
        assert machine.address == (made["address"] if node in public else made["private_address"])
        assert (machine.jump is None) is (node in public)
        assert machine.jump is None or machine.jump == machines[machine.jump.name]
        assert machine.running
        assert machine.user == cloud.user
        assert machine.labels["sloth.dev/provider"] == name
        assert machine.labels["topology.kubernetes.io/region"]
        assert machine.labels["topology.kubernetes.io/zone"]
    assert all(machine.network for machine in machines.values())
    assert len({machine.network for machine in machines.values()}) == 1


@pytest.mark.parametrize("name", FAKED)
def test_the_catalogue_has_what_the_example_asks_for(name, lives):
    cloud, offer = CLOUDS[name], lives(name).offer
    size, location, image = cloud.example["size"], cloud.example["location"], cloud.default_image
    assert location in offer.locations
    assert size in offer.sizes
    assert not offer.sizes[size].locations or location in offer.sizes[size].locations
    assert {image, f"{image}@{location}"} & set(offer.images)
