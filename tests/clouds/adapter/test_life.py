"""One cluster's machines from the first run to the last, with the real engine."""

from __future__ import annotations

from dataclasses import replace

from sloth.adapters.pulumi import layout, notes
from tests.clouds.adapter.world import failing
from tests.clouds.fakes.hcloud import JOINED, ROUTE, SERVER


def test_up_again_one_more_one_less_and_down(world):
    assert [machine.name for machine in world.up()] == ["control-1", "work-1", "work-2"]
    assert world.servers() == ["control-1", "work-1", "work-2"]
    world.calls()
    world.up()
    assert world.calls() == []
    world.work = 3
    assert [machine.name for machine in world.up()] == ["control-1", "work-1", "work-2", "work-3"]
    assert sorted(world.calls()) == [("Create", "work-3"), ("Create", "work-3-network")]
    world.delete("work-1")
    assert sorted(world.calls()) == [("Delete", "work-1"), ("Delete", "work-1-network")]
    assert world.down() == []
    assert world.fake.items == {}
    assert {path.name for path in world.folder.iterdir()} == {"home", "state", "work"}
    assert world.locks() == []


def test_a_plan_tells_what_up_would_do_and_does_nothing(world):
    machines = world.machines()
    changes = machines.preview(world.requests(machines), ())
    assert {("create", "server", "control-1"), ("create", "network", "network")} <= {(c.action, c.kind, c.name) for c in changes}
    assert world.calls() == []
    world.up()
    world.calls()
    machines = world.machines()
    assert list(machines.preview(world.requests(machines), ())) == []
    machines = world.machines()
    changes = machines.preview(world.requests(machines, ["control-1", "work-2"]), ["work-1"])
    told = {(change.action, change.node, change.name) for change in changes}
    assert told == {("delete", "work-1", "work-1"), ("delete", "work-1", "work-1-network")}
    assert world.calls() == []


def test_another_machine_with_the_same_state_changes_nothing(world):
    world.begin()
    world.calls()
    world.folder = world.folder.with_name("other")
    world.state.rmdir()
    (world.folder.with_name("user") / "state").rename(world.state)
    world.up()
    assert world.calls() == []
    assert world.down() == []


def test_a_server_that_somebody_deleted_comes_again(world):
    world.begin()
    for known in (True, False):
        lose(world, "work-1")
        if not known:
            notes.drop(world.folder / "work", "hcloud")
        world.calls()
        world.up()
        assert sorted(world.calls()) == [("Create", "work-1"), ("Create", "work-1-network")]


def test_all_servers_lost_and_nothing_known_here_come_again(world, monkeypatch):
    """Where the user says that it is so."""
    world.begin()
    world.fake.items.clear()
    notes.drop(world.folder / "work", "hcloud")
    monkeypatch.setenv("SLOTH_ALL_IS_GONE", "1")
    world.up()
    assert world.servers() == ["control-1", "work-1", "work-2"]


def test_a_token_of_another_project_neither_makes_machines_again_nor_forgets_them(world):
    """Hetzner does not tell whose a token is; the other project is empty."""
    world.begin()
    mine, world.fake.items = world.fake.items, {}
    for known in (True, False):
        if not known:
            notes.drop(world.folder / "work", "hcloud")
        for act in (world.up, world.down, lambda: world.machines().leftovers()):
            error = failing(act)
            assert (error.code, error.exit) == ("cloud/nothing-there", 11)
            assert "3 machines" in error.summary and "control-1, work-1, work-2" in error.detail
            assert "SLOTH_ALL_IS_GONE=1" in error.hint
    assert world.fake.items == {}
    world.fake.items = mine
    world.calls()
    world.up()
    assert world.calls() == []


def test_only_what_was_asked_for_is_made_anew(world):
    """A node that leaves, and whose server somebody deleted, gets none for the time until it has left."""
    world.begin()
    lose(world, "work-2")
    world.calls()
    world.up(["control-1", "work-1"])
    assert [call for call in world.calls() if call[0] == "Create"] == []
    world.delete("work-2")
    assert world.servers() == ["control-1", "work-1"]


def test_what_replaces_a_server_is_shown_refused_and_no_hindrance_to_its_leaving(world):
    """A cloud that makes a server of another size anew."""
    rules = world.fake.rules
    world.fake.rules = {**rules, SERVER: replace(rules[SERVER], replaces=frozenset({"serverType"}))}
    world.begin()
    before = {item.name: item.id for item in world.fake.all(SERVER)}
    place = world.record.placements("hcloud")["work-1"]
    world.record = world.record.with_placements("hcloud", {"work-1": {**place, "size": "cx33"}})
    machines = world.machines()
    changes = machines.preview(world.requests(machines), ())
    assert [(change.action, change.node, change.cause) for change in changes if change.name == "work-1"] == [
        ("replace", "work-1", ("serverType",))
    ]
    world.calls()
    error = failing(world.up)
    assert (error.code, error.where, error.hint) == ("cloud/would-replace", "work-1", "sloth up --replace work-1")
    assert world.calls() == []
    world.up(["control-1", "work-2"])  # as `up --replace work-1` does it: the others stay, it goes, it comes again
    assert world.calls() == []
    world.delete("work-1")
    assert {method for method, _ in world.calls()} == {"Delete"}
    world.options = {"size": "cx33"}
    world.up()
    after = {item.name: item.id for item in world.fake.all(SERVER)}
    assert {name for name in before if before[name] != after[name]} == {"work-1"}
    assert {item.name: item["serverType"] for item in world.fake.all(SERVER)} == {
        **dict.fromkeys(before, "cx23"),
        "work-1": "cx33",
    }


def test_what_the_user_changes_is_changed_in_place_and_nothing_is_replaced(world):
    world.begin()
    world.calls()
    world.labels = {"team": "web"}
    world.up()
    assert {method for method, _ in world.calls()} == {"Update"}
    world.record = world.record.with_placements(
        "hcloud", {name: {**place, "image": "161547269"} for name, place in world.record.placements("hcloud").items()}
    )
    world.up()
    assert world.calls() == []


def test_replacing_a_network_is_refused_before_anything_changes(world):
    world.begin()
    world.calls()
    world.network = "10.99.0.0/16"
    error = failing(world.up)
    assert (error.code, error.exit) == ("cloud/would-replace", 12)
    assert "ipRange" in error.detail
    assert world.calls() == []


def test_many_servers_are_spread_over_stacks(world, monkeypatch):
    """One stack has room for two here. The plan of servers whose network is not there yet is one without ids."""
    monkeypatch.setattr(layout, "STACK_SIZE", 2)
    world.work = 4
    machines = world.machines()
    changes = machines.preview(world.requests(machines), ())
    assert sorted(change.name for change in changes if change.kind == "server") == world.names
    assert {place["stack"] for place in world.record.placements("hcloud").values()} == {0, 1, 2}
    world.up()
    assert world.servers() == world.names
    world.calls()
    world.up()
    machines = world.machines()
    assert list(machines.preview(world.requests(machines), ())) == []
    assert world.calls() == []
    leave = [name for name, place in world.record.placements("hcloud").items() if place["stack"] == 2]
    notes.drop(world.folder / "work", "hcloud-2")  # as a run that is cut off leaves it
    (world.folder / "work" / "Pulumi.hcloud-2.yaml").unlink()  # and as another machine has it
    world.delete(*leave)
    assert world.servers() == sorted(set(world.names) - set(leave))
    assert world.down() == []
    assert world.fake.items == {}


def test_balancer_and_volumes_come_and_go(world):
    world.control, world.work, world.balancer = 3, 1, True
    world.options = {"volumes": [{"name": "data", "size": "10Gi"}]}
    machines = world.machines()
    machines.survey()
    machines.apply(world.requests(machines))
    balancer = world.fake.all("LoadBalancer")[0]
    assert machines.balance(world.names) == f"{balancer['ipv4']}:6443"
    assert machines.balance(world.names) == fresh(world)
    world.calls()
    world.delete("work-1")
    assert sorted(world.calls()) == [("Delete", "work-1"), ("Delete", "work-1-data"), ("Delete", "work-1-network")]
    assert world.down() == []


def fresh(world):
    """The balancer's address as a later run has it, which changes nothing."""
    machines = world.machines()
    machines.apply(world.requests(machines))
    return machines.balance(world.names)


def lose(world, name):
    """Somebody deletes a server in the cloud's console, and its place in the network with it."""
    server = next(item for item in world.fake.all(SERVER) if item.name == name)
    for item in [server, *(item for item in world.fake.all(JOINED) if str(item["serverId"]) == server.id)]:
        del world.fake.items[item.token, item.id]


def test_the_way_out_of_private_nodes_moves_before_its_node_leaves(world):
    world.control, world.options = 2, {"public": False}
    machines = {machine.name: machine for machine in world.up()}
    assert machines["work-1"].jump == machines["control-1"]
    assert machines["work-1"].address == machines["work-1"].private_address
    (route,) = world.fake.all(ROUTE)
    assert (route["destination"], route["gateway"]) == ("0.0.0.0/0", machines["control-1"].private_address)
    servers = {item.id for item in world.fake.all(SERVER) if item.name != "control-1"}
    world.delete("control-1")
    (route,) = world.fake.all(ROUTE)
    assert route["gateway"] == machines["control-2"].private_address
    assert {item.id for item in world.fake.all(SERVER)} == servers
    assert world.down() == []
