"""Every cloud plugin that has a fake, behind the real engine: made, unchanged, one more, gone."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace

import pytest

from sloth.model.cloud import Volume, Wanted
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, PoolSpec
from tests.clouds import fakes, specs
from tests.clouds.engine import TOOL, Engine
from tests.clouds.plugins import CLOUDS

FAKED = {name: cloud for name, cloud in CLOUDS.items() if fakes.find(name)}
# `single` is a part of the others, and `ha` of `balanced`.
CASES = [
    (name, spec)
    for name, cloud in FAKED.items()
    for spec in specs.possible(cloud)
    if spec in ("pools", "private", "balanced" if cloud.abilities.balancer else "ha")
]


@pytest.fixture
def lab(request, tmp_path):
    """`lab(name)`: a fresh fake of a cloud, and an engine that is attached to it."""
    assert os.access(TOOL, os.X_OK), f"there is no pulumi CLI at {TOOL}: set SLOTH_PULUMI"
    with ExitStack() as stack:

        def make(name):
            fake = fakes.find(name)()
            return fake, Engine(tmp_path, CLOUDS[name], stack.enter_context(fake.serve()))

        yield make


def _plan(name, spec):
    """The standard plan with an image that the fake has."""
    plan = specs.plan(CLOUDS[name], spec)
    image = getattr(fakes.find(name), "image", "")
    return replace(plan, servers=tuple(replace(server, image=image or server.image) for server in plan.servers))


@pytest.mark.parametrize(("name", "spec"), CASES)
def test_up_no_change_one_more_and_down(name, spec, lab):
    fake, engine = lab(name)
    plan = _plan(name, spec)
    outputs = engine.up(plan)
    assert sorted(outputs["servers"]) == sorted(server.name for server in plan.servers)
    for server in plan.servers:
        assert bool(outputs["servers"][server.name]["address"]) is server.public
        assert outputs["servers"][server.name]["private_address"]
    assert set(engine.preview(plan)) == {"same"}

    changed = [replace(server, user_data=Secret("#cloud-config\n# newer\n")) for server in plan.servers]
    assert set(engine.preview(replace(plan, servers=tuple(changed)))) == {"same"}

    before = len(fake.made())
    more, new = specs.with_one_more(CLOUDS[name], plan)
    engine.up(more)
    made = fake.made()[before:]
    assert made
    assert all(new in item for item in made)
    assert fake.made("Delete") == []
    assert fake.made("Update") == []

    assert specs.USER_DATA.splitlines()[1] not in engine.text()
    engine.down(more)
    assert fake.items == {}


@pytest.mark.parametrize("name", FAKED)
def test_the_survey_sees_what_was_made(name, lab):
    _, engine = lab(name)
    cloud, plan = CLOUDS[name], _plan(name, "private" if CLOUDS[name].abilities.private else "pools")
    disk = (Volume(name="data", size=30),) if cloud.abilities.volumes else ()
    plan = replace(plan, servers=(*plan.servers[:-1], replace(plan.servers[-1], volumes=disk)))
    spec = _spec(name, plan)
    assert list(engine.ask(lambda: cloud.survey(spec))) == []
    outputs = engine.up(plan)
    found = engine.ask(lambda: cloud.survey(spec))
    machines = {item.node: item.machine for item in found if item.kind == "server"}
    public = {server.name for server in plan.servers if server.public}
    assert sorted(machines) == sorted(server.name for server in plan.servers)
    for node, machine in machines.items():
        made = outputs["servers"][node]
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
    assert len([item for item in found if item.kind == "volume"]) >= len(disk)
    assert list(engine.ask(lambda: cloud.survey(replace(spec, name="other")))) == []
    engine.down(plan)
    assert list(engine.ask(lambda: cloud.survey(spec))) == []


@pytest.mark.parametrize("name", FAKED)
def test_what_exists_is_taken_over_and_not_made_twice(name, lab, tmp_path):
    fake, engine = lab(name)
    plan = _plan(name, "single")
    engine.up(plan)
    made = {(token, item.name): item.id for (token, _), item in fake.items.items()}
    number = len(fake.made())
    (tmp_path / "other").mkdir()
    with fake.serve() as provider:
        other = Engine(tmp_path / "other", CLOUDS[name], provider)
        other.take_over(plan, made)
        assert len(fake.made()) == number
        assert set(other.preview(plan)) == {"same"}
        other.down(plan)
    assert fake.items == {}


def _spec(name, plan):
    """A spec with the plan's pools, as far as surveys look at it: not every cloud can list volumes, so they need the names."""
    pools = {}
    for server in plan.servers:
        disks = [{"name": volume.name, "size": f"{volume.size}Gi"} for volume in server.volumes]
        known = pools[server.pool].options["volumes"] if server.pool in pools else []
        options = {"volumes": disks or known}
        pools[server.pool] = PoolSpec(name=server.pool, role=server.role, provider=name, count=9, options=options)
    return ClusterSpec(name="shop", providers={name: dict(plan.options)}, pools=tuple(pools.values()))


@pytest.mark.parametrize("name", FAKED)
def test_the_catalogue_has_what_the_example_asks_for(name, lab):
    _, engine = lab(name)
    cloud = CLOUDS[name]
    size, location, image = cloud.example["size"], cloud.example["location"], cloud.default_image
    spec = ClusterSpec(name="shop", providers={name: dict(_plan(name, "single").options)})
    wanted = Wanted(sizes=(size,), locations=(location,), images=(image,))
    offer = engine.ask(lambda: cloud.catalogue(spec, wanted))
    assert location in offer.locations
    assert size in offer.sizes
    assert not offer.sizes[size].locations or location in offer.sizes[size].locations
    assert {image, f"{image}@{location}"} & set(offer.images)
