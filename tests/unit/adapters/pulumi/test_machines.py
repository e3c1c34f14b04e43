"""A cluster's machines at one cloud: what is asked of which stack, in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sloth.adapters.pulumi import layout, machines, notes, settle
from sloth.adapters.pulumi.machines import CloudMachines
from sloth.adapters.pulumi.supervise import Pulse
from sloth.engine.stop import Stop
from sloth.errors import ConfigError, CredentialsError, Interrupted, MachinesError
from sloth.model.cloud import Found
from sloth.model.node import Machine
from sloth.model.plan import MachineRequest
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import AccessSpec
from tests.unit.adapters.pulumi.engine import Declared, Some, Stacks, World
from tests.unit.cloud.toy import ToyCloud, catalogue, pool, spec


class Toy(ToyCloud):
    def __init__(self, world):
        self.world = world
        self.blind = {}  # server -> number of surveys that do not see it yet

    def survey(self, spec):
        found = []
        for each in self.world.found():
            if self.blind.get(each.node, 0) > 0:
                self.blind[each.node] -= 1
                continue
            machine = Machine(name=each.node, id=each.id, address="203.0.113.9") if each.kind == "server" else None
            found.append(replace(each, machine=machine))
        return found

    def catalogue(self, spec, wanted):
        return catalogue()


class Run:
    """A cluster whose record, stacks and cloud are kept from run to run."""

    def __init__(self, folder):
        self.world = World()
        self.stacks = Stacks(folder, self.world)
        self.cloud = Toy(self.world)
        self.spec = spec(pool("control", 1, "control-plane"), pool("work", 2), size="small", location="north")
        self.record = Record(cluster="demo", ssh_public_key="ssh-ed25519 AAAA")
        self.stop = Stop()
        self.told = []
        self.command = Some(interrupt=lambda: None, end=lambda patience: None, version="3.0.0")
        self.engine = Some(work=folder, command=self.command, pulse=Pulse(), emit=self.told.append, sweep=lambda stack: ())

    def machines(self):
        self.stacks.order.clear()
        return CloudMachines(
            cloud=self.cloud, spec=self.spec, engine=self.engine, stop=self.stop, record=lambda: self.record,
            access=lambda: AccessSpec(ssh=("198.51.100.7/32",)), user_data=lambda request: Secret("#cloud-config", known=False),
        )  # fmt: skip

    def place(self, *names):
        self.record = self.record.with_placements("toy", self.machines().preflight(names, self.record.placements("toy")))

    def requests(self, *names):
        placements = self.record.placements("toy")
        return [
            MachineRequest(
                name=name, cluster="demo", pool=name.split("-")[0], role="worker", placement=placements[name],
                ssh_public_key=self.record.ssh_public_key,
            )
            for name in names
        ]  # fmt: skip

    def up(self, *names):
        self.place(*[name for name in names if name not in self.record.placements("toy")])
        return [machine.name for machine in self.machines().apply(self.requests(*names))]


@pytest.fixture
def run(tmp_path, monkeypatch):
    run = Run(tmp_path)
    monkeypatch.setattr(machines, "ask", lambda engine, question: question())
    monkeypatch.setattr(machines, "EngineStack", run.stacks)
    monkeypatch.setattr(settle, "program", Declared)
    monkeypatch.setattr(machines, "_PAUSE", 0.0)
    monkeypatch.setattr(run.stop, "wait", lambda seconds: None)
    return run


NODES = ("control-1", "work-1", "work-2")


def test_machines_come_in_the_order_asked_and_the_second_time_nothing_is_done(run):
    assert run.up(*reversed(NODES)) == list(reversed(NODES))
    assert run.stacks.order == [("up", "toy")]
    assert run.up(*NODES) == list(NODES)
    assert run.stacks.order == []


def test_a_placement_keeps_all_that_the_server_is_made_of(run):
    run.place(*NODES)
    kept = run.record.placements("toy")["work-1"]
    assert {
        "size": "small",
        "location": "north",
        "image": "img-7",
        "role": "worker",
        "pool": "work",
        "stack": 0,
    }.items() <= kept.items()


def test_another_account_is_refused_before_anything_is_seen_or_changed(run):
    run.cloud.account = lambda spec: "account-1"
    run.up(*NODES)
    assert run.record.placements("toy")["work-1"]["account"] == "account-1"
    run.cloud.account = lambda spec: "account-2"
    run.world.ids.clear()  # nothing of it is there
    for act in (lambda: run.up(*NODES, "work-3"), lambda: run.machines().survey(), lambda: run.machines().destroy()):
        with pytest.raises(CredentialsError) as caught:
            act()
        assert caught.value.code == "cloud/other-account"
        assert "account-1" in caught.value.hint
        assert run.stacks.order == []


def test_a_cloud_that_does_not_tell_whose_a_token_is_leaves_no_account(run):
    run.up(*NODES)
    assert "account" not in run.record.placements("toy")["work-1"]


def test_all_that_cannot_be_had_is_told_at_once(run):
    run.spec = spec(pool("work", 1, size="huge"), pool("more", 1, location="nowhere"), size="small", location="north")
    with pytest.raises(ConfigError) as caught:
        run.place("work-1", "more-1")
    assert caught.value.code == "cloud/preflight"
    assert {problem.code for problem in caught.value.problems} == {"cloud/unknown-size", "cloud/unknown-location"}
    assert all(problem.summary in caught.value.detail for problem in caught.value.problems)
    run.spec = spec(pool("work", 1, size="huge"), location="north")
    with pytest.raises(ConfigError) as caught:
        run.place("work-1")
    assert caught.value.code == "cloud/unknown-size"
    assert run.stacks.order == []


def test_a_list_that_lags_behind_is_asked_again(run):
    run.place(*NODES)
    run.cloud.blind = {"work-2": 2}
    assert run.up(*NODES) == list(NODES)


def test_a_server_that_is_never_listed_is_told(run, monkeypatch):
    monkeypatch.setattr(machines, "_SEEN", 6.0)
    run.cloud.blind = {"work-2": 1000}
    with pytest.raises(MachinesError) as caught:
        run.up(*NODES)
    assert (caught.value.code, caught.value.where) == ("cloud/not-listed", "work-2")


def test_waiting_for_a_list_ends_with_ctrl_c(run):
    run.place(*NODES)
    run.cloud.blind = {"work-2": 1000}
    run.stop.wait = lambda seconds: run.stop.request()
    with pytest.raises(Interrupted):
        run.up(*NODES)


def test_delete_takes_those_and_no_others_and_makes_nothing_anew(run):
    run.up(*NODES)
    before = dict(run.world.ids)
    run.machines().delete(["work-2"])
    assert run.world.ids == {name: ident for name, ident in before.items() if name != "work-2"}


def test_nodes_that_leave_stay_until_they_are_deleted_and_are_not_made_again(run):
    run.up(*NODES)
    run.up("control-1", "work-1")
    assert "work-2" in run.world.ids
    del run.world.ids["work-2"]
    run.machines().apply(run.requests("control-1", "work-1"))
    assert run.world.births.count("work-2") == 1


def test_nodes_are_made_anew_by_leaving_and_coming_again(run):
    """As `up --replace` does it, which is what the guard advises."""
    run.up(*NODES)
    before = dict(run.world.ids)
    run.stacks.known["toy"].odd = {"work-1": "replace"}
    notes.drop(run.stacks.folder, "toy")
    with pytest.raises(MachinesError) as caught:
        run.up(*NODES)
    assert (caught.value.code, caught.value.hint) == ("cloud/would-replace", "sloth up --replace work-1")
    assert run.world.ids == before
    run.stacks.known["toy"].odd["work-2"] = "replace"
    there = run.machines()  # of one run
    there.apply(run.requests("control-1"))
    for name in ("work-1", "work-2"):  # one after the other: the second, too, is no hindrance to the first
        there.delete([name])
        run.record = run.record.without_placements([name])
    assert set(run.world.ids) == {"network", "control-1"}
    assert run.up(*NODES) == list(NODES)
    assert {name for name in before if before[name] != run.world.ids[name]} == {"work-1", "work-2"}
    assert run.stacks.order[-1] == ("up", "toy")


def test_after_a_deletion_the_next_run_needs_no_engine(run):
    run.up(*NODES)
    there = run.machines()
    there.apply(run.requests("control-1", "work-1"))
    there.delete(["work-2"])
    run.record = run.record.without_placements(["work-2"])
    run.up("control-1", "work-1")
    assert run.stacks.order == []


def test_many_stacks_the_first_is_first_and_emptied_ones_are_emptied(run, monkeypatch):
    monkeypatch.setattr(layout, "STACK_SIZE", 2)
    run.spec = replace(run.spec, pools=(run.spec.pools[0], pool("work", 4)))
    names = ("control-1", "work-1", "work-2", "work-3", "work-4")
    run.up(*names)
    assert run.stacks.order[0] == ("up", "toy")
    assert sorted(run.stacks.order[1:]) == [("up", "toy-1"), ("up", "toy-2")]
    assert run.stacks.known["toy-2"].state == {"work-3", "work-4"}
    notes.drop(run.stacks.folder, "toy-2")
    run.machines().delete(["work-3", "work-4"])
    assert ("up", "toy-2") in run.stacks.order
    assert run.stacks.known["toy-2"].state == set()
    assert set(run.world.ids) == {"network", "control-1", "work-1", "work-2"}


def test_a_plan_shows_servers_with_what_they_cost_and_parts_with_their_node(run):
    run.place(*NODES)
    changes = list(run.machines().preview(run.requests(*NODES), ()))
    assert [(change.action, change.kind, change.name) for change in changes if change.node == "work-1"] == [
        ("create", "server", "work-1")
    ]
    assert next(change.detail for change in changes if change.name == "work-1") == "small in north, debian-12, 4.50 EUR a month"
    assert next(change.kind for change in changes if change.name == "network") == "network"
    assert run.world.ids == {}
    run.up(*NODES)
    run.stacks.known["toy"].odd = {"work-1": "replace"}
    changes = run.machines().preview(run.requests("control-1", "work-1"), ["work-2"])
    assert sorted((change.action, change.node, change.cause) for change in changes) == [
        ("delete", "work-2", ("size",)), ("replace", "work-1", ("size",)),
    ]  # fmt: skip


def test_words_of_kinds():
    assert machines._kind("toy:index/loadBalancer:LoadBalancer") == "load balancer"
    assert machines._kind("toy:index/server:Server") == "server"


def test_the_end_of_it_all(run):
    run.up(*NODES)
    run.world.ids["volume"] = "made-by-kubernetes"
    there = run.machines()
    assert len(there.leftovers()) == 5
    there.destroy()
    assert run.world.ids == {}
    assert list(there.leftovers()) == []
    words = [("destroy", "toy"), ("adopt", "toy-strays"), ("destroy", "toy-strays"), ("remove", "toy-strays"), ("remove", "toy")]
    assert run.stacks.order == words
    assert any("deleting 1 more resources" in event.title and "volume" in event.detail for event in run.told)
    assert notes.read(run.stacks.folder, "toy") is None


def test_stacks_with_servers_go_before_the_one_with_the_network(run, monkeypatch):
    monkeypatch.setattr(layout, "STACK_SIZE", 1)
    run.up(*NODES)
    run.machines().destroy()
    assert [name for word, name in run.stacks.order if word == "destroy"][-1] == "toy"
    assert run.world.ids == {}


def test_what_is_still_in_use_is_tried_again_and_then_told(run):
    run.up(*NODES)
    run.stacks.refusals = ["cloud/in-use"] * 3
    run.machines().destroy()
    assert run.world.ids == {}
    assert len([event for event in run.told if "still in use" in event.title]) == 3
    run.up(*NODES)
    run.stacks.refusals = ["cloud/in-use"] * 100
    with pytest.raises(MachinesError) as caught:
        run.machines().destroy()
    assert caught.value.code == "cloud/in-use"
    assert 2 <= len([word for word, _ in run.stacks.order if word == "destroy"]) <= 10


def test_what_fails_otherwise_is_told_at_once_and_trying_again_ends_with_ctrl_c(run):
    run.up(*NODES)
    run.stacks.refusals = ["cloud/credentials"]
    with pytest.raises(MachinesError):
        run.machines().destroy()
    assert run.stacks.order == [("destroy", "toy")]
    run.stacks.refusals = ["cloud/in-use"] * 100
    run.stop.wait = lambda seconds: run.stop.request()
    with pytest.raises(Interrupted):
        run.machines().destroy()


def test_what_cannot_be_taken_over_is_told_as_left(run):
    run.cloud.survey = lambda spec: [Found(kind="record", id="r-1", name="api.example.org")]
    there = run.machines()
    there.destroy()
    assert list(there.leftovers()) == ["record api.example.org (toy, r-1)"]
