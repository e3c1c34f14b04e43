"""The API's name in DNS at every cloud that the registry finds: made, left alone, moved, deleted; never somebody else's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sloth.adapters.pulumi import notes
from sloth.adapters.pulumi.command import Command
from sloth.adapters.pulumi.machines import CloudMachines
from sloth.adapters.pulumi.stack import Engine
from sloth.engine.stop import Stop
from sloth.model.names import NamePlan
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import AccessSpec, ClusterSpec
from tests.clouds import fakes, graph
from tests.clouds.adapter.world import failing
from tests.clouds.fakes.zones import ZONE
from tests.clouds.plugins import CLOUDS

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "clouds"
ABLE = [name for name, cloud in CLOUDS.items() if cloud.abilities.dns]
PLAN = NamePlan(cluster="shop", host=f"api.shop.{ZONE}", zone=ZONE, targets=("203.0.113.5", "203.0.113.6"))
ELSEWHERE = replace(PLAN, targets=("203.0.113.6", "203.0.113.7"))
ALIAS = replace(PLAN, targets=("api.elb.example.net",))


class Desk:
    """One user at one cloud."""

    def __init__(self, name, folder, tool):
        self.fake, self.name, self.folder, self.tool = fakes.find(name)(), name, folder, tool

    def publish(self, wanted, before):
        """As one run does."""
        cloud = CLOUDS[self.name]
        engine = Engine(
            cloud=self.name,
            project="sloth-shop",
            command=Command(*self.tool, {}),
            home=self.folder / "home",
            work=self.folder / "work",
            backend=f"file://{self.folder / 'state'}",
            passphrase=Secret("a passphrase", known=False),
            faults=cloud.faults,
        )
        machines = CloudMachines(
            cloud=cloud,
            spec=ClusterSpec(name="shop"),
            engine=engine,
            stop=Stop(),
            record=lambda: Record(cluster="shop"),
            access=AccessSpec,
            user_data=lambda request: Secret("", known=False),
        )
        return machines.publish(wanted, before)

    def forget(self):
        """Go on at another machine, which shares the engine's state."""
        for stack in notes.stacks(self.folder / "work"):
            notes.drop(self.folder / "work", stack)

    def lose_state(self):
        """The engine's state and all notes are gone."""
        shutil.rmtree(self.folder / "state")
        (self.folder / "state").mkdir()
        self.forget()

    def texts(self):
        """All that records say, in one text."""
        return " ".join(str(value) for item in self.fake.items.values() for value in item.inputs.values())


@pytest.fixture
def desk(tool, tmp_path, monkeypatch, request):
    (tmp_path / "state").mkdir()
    made = Desk(request.param, tmp_path, tool)
    with made.fake.serve() as attached:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", attached)
        yield made


def each(names):
    return pytest.mark.parametrize("desk", names, indirect=True)


@pytest.mark.parametrize("name", ABLE)
def test_the_graph_is_the_reviewed_one(name, golden):
    golden(GOLDEN / name / "names.json", graph.names(CLOUDS[name], PLAN).text())


def test_clouds_that_list_names():
    assert [name for name in ABLE if CLOUDS[name].lists_names()] == ["aws", "digitalocean", "gcp", "hcloud", "linode"]


@pytest.mark.parametrize("name", ABLE)
def test_every_address_is_told_and_the_cluster_beside_them(name):
    text = graph.names(CLOUDS[name], PLAN).text()
    assert all(target in text for target in PLAN.targets)
    assert "sloth:cluster=shop" in text
    assert "api.elb.example.net" in graph.names(CLOUDS[name], ALIAS).text()
    assert "2001:db8::5" in graph.names(CLOUDS[name], replace(PLAN, targets=("2001:db8::5",))).text()


@each(ABLE)
def test_made_left_alone_moved_and_deleted(desk):
    assert desk.publish(PLAN, None)
    assert all(target in desk.texts() for target in PLAN.targets)
    made = len(desk.fake.calls)
    assert not desk.publish(PLAN, PLAN)
    assert len(desk.fake.calls) == made  # nobody was asked
    desk.forget()
    assert not desk.publish(PLAN, PLAN)
    assert desk.publish(ELSEWHERE, PLAN)
    assert "203.0.113.5" not in desk.texts()
    assert all(target in desk.texts() for target in ELSEWHERE.targets)
    assert desk.publish(None, ELSEWHERE)
    assert desk.fake.items == {}


@each(["azure"])  # each type is a resource of its own there
def test_an_address_becomes_a_name(desk):
    """They cannot stand beside one another (RFC 1034, 3.6.2)."""
    desk.publish(PLAN, None)
    desk.publish(ALIAS, PLAN)
    assert "api.elb.example.net" in desk.texts()
    assert "203.0.113" not in desk.texts()


@each(["hcloud", "linode"])
def test_a_record_of_somebody_else_is_left_alone(desk):
    desk.publish(PLAN, None)
    there = dict(desk.fake.items)
    for key in [key for key, item in there.items() if "sloth:cluster" in str(item.inputs.get("records", item.inputs))]:
        if "_sloth" in str(there[key].inputs.get("name")):
            del desk.fake.items[key]  # without its mark it is nobody's
    before = dict(desk.fake.items)
    assert before
    desk.lose_state()
    error = failing(lambda: desk.publish(PLAN, None))
    assert (error.code, error.where) == ("cloud/name-taken", "spec.kubernetes.api.hostname")
    # Linode tells one record of a name, that which was made first, and both are made at once.
    assert any(target in error.detail for target in PLAN.targets)
    desk.publish(None, PLAN)
    assert desk.fake.items == before


@each(["digitalocean", "gcp"])  # one record each, and record sets
def test_what_a_lost_state_knew_is_taken_over_and_deleted(desk):
    desk.publish(PLAN, None)
    made = dict(desk.fake.items)
    desk.lose_state()
    assert desk.publish(PLAN, None)
    assert desk.fake.items.keys() == made.keys()
    desk.lose_state()
    assert desk.publish(ELSEWHERE, PLAN)
    assert "203.0.113.5" not in desk.texts()
    desk.lose_state()
    desk.publish(None, ELSEWHERE)
    assert desk.fake.items == {}


@each(["openstack"])
def test_a_cloud_that_lists_nothing_refuses_a_second_one_itself(desk):
    desk.publish(PLAN, None)
    desk.lose_state()
    assert failing(lambda: desk.publish(PLAN, None)).code == "cloud/conflict"


@each(["hcloud"])
def test_without_an_address_nothing_is_published(desk):
    assert failing(lambda: desk.publish(replace(PLAN, targets=()), None)).code == "cloud/name-without-address"
    assert desk.fake.items == {}


@each(["gcp"])
def test_a_zone_that_is_not_there_is_said(desk):
    error = failing(lambda: desk.publish(replace(PLAN, zone="example.org", host="api.example.org"), None))
    assert error.code == "cloud/not-found"
