"""A running machine for every node: what is asked of providers, and what is known of nodes afterwards."""

from dataclasses import replace

import pytest

from sloth.errors import MachinesError
from sloth.model.node import Machine
from sloth.model.phase import Keep, MakeMachines, SurveyMachines
from sloth.model.plan import Plan
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, HostSpec, PoolSpec
from sloth.phases.clean import remember
from sloth.phases.machines import Machines, node_of, request
from sloth.phases.survey import Survey, providers
from tests.unit.phases.orders import Player, cluster, lease


def make_key(comment):
    return Secret(f"private of {comment}", known=False), f"public of {comment}"


def world(**running):
    """Answers of providers where these machines exist."""
    there = {name: Machine(name=name, id=name, address="192.0.2.9", running=state) for name, state in running.items()}

    def make(order):
        return tuple(
            replace(there.get(want.name) or Machine(name=want.name, id="new", address="192.0.2.8"), running=True)
            for want in order.wanted
        )

    return Player({SurveyMachines: lambda _order: tuple(there.values()), MakeMachines: make})


def dashed(**running):
    return world(**{name.replace("_", "-"): state for name, state in running.items()})


def test_new_machines_get_a_one_time_key_before_they_are_made():
    player = dashed()
    end = player.play(Machines(make_key), cluster("cp-1", "work-1"))
    kinds = [type(order) for order in player.orders]
    assert kinds == [SurveyMachines, Keep, MakeMachines]
    (made,) = player.of(MakeMachines)
    assert [want.name for want in made.wanted] == ["cp-1", "work-1"]
    assert made.wanted[0].boot_key_private.reveal() == "private of sloth-boot-cp-1"
    assert made.wanted[0].boot_key_public == end.record.node("cp-1").boot_public_key
    assert end.fresh == end.changed == {"cp-1", "work-1"}
    assert [node.name for node in end.nodes] == ["cp-1", "work-1"]


def test_machines_that_run_are_left_alone():
    player = dashed(cp_1=True, work_1=True)
    end = player.play(Machines(make_key), cluster("cp-1", "work-1"))
    assert [type(order) for order in player.orders] == [SurveyMachines, MakeMachines]
    assert end.fresh == end.changed == frozenset()


def test_a_stopped_machine_is_fresh_but_keeps_its_keys():
    start = cluster("cp-1", "work-1")
    start = replace(start, record=start.record.with_node("work-1", host_keys=("ssh-ed25519 A",), mesh_public_key="m"))
    player = dashed(cp_1=True, work_1=False)
    end = player.play(Machines(make_key), start)
    assert end.fresh == {"work-1"}
    assert end.record == start.record


def test_keys_of_an_earlier_machine_are_void():
    start = cluster("cp-1")
    known = {"host_keys": ("ssh-ed25519 A",), "mesh_public_key": "m", "boot_key": None, "joined": True}
    end = dashed().play(Machines(make_key), replace(start, record=start.record.with_node("cp-1", **known)))
    now = end.record.node("cp-1")
    assert now.host_keys == ()
    assert now.mesh_public_key == ""
    assert now.boot_key is not None
    assert now.joined  # so that the lost member is evicted before the name joins again


def test_a_run_that_was_cut_off_before_making_uses_the_same_key():
    start = cluster("cp-1")
    boot = Secret("the first one", known=False)
    start = replace(start, record=start.record.with_node("cp-1", boot_key=boot, boot_public_key="first"))
    player = dashed()
    player.play(Machines(make_key), start)
    assert player.of(Keep) == []
    assert player.of(MakeMachines)[0].wanted[0].boot_key_public == "first"


def test_each_provider_is_asked_for_its_own():
    start = cluster("cp-1", "work-1")
    leases = (start.plan.leases[0], replace(start.plan.leases[1], provider="ssh"))
    player = dashed()
    player.play(Machines(make_key), replace(start, plan=Plan(leases=leases)))
    asked = [(order.provider, [want.name for want in order.wanted]) for order in player.of(MakeMachines)]
    assert asked == [("local", ["cp-1"]), ("ssh", ["work-1"])]


def test_a_provider_that_fails_stops_the_phase():
    player = Player({SurveyMachines: MachinesError("local/no-engine", "no engine", hint="sloth doctor --fix")})
    with pytest.raises(MachinesError):
        player.play(Machines(make_key), cluster("cp-1"))


def test_an_existing_host_is_handed_over_by_name():
    hosts = (HostSpec(name="a", address="192.0.2.1"), HostSpec(name="b", address="192.0.2.2"))
    pool = PoolSpec(name="metal", role="worker", provider="ssh", count=2, hosts=hosts, options={"x": 1})
    start = cluster("cp-1", spec=ClusterSpec(name="demo", pools=(pool,)))
    want = request(lease("metal-b"), start)
    assert want.host is hosts[1]
    assert want.options == {"x": 1}
    assert request(lease("metal-c"), start).host is None


def test_where_existing_hosts_are_is_kept_once():
    host = HostSpec(name="a", address="192.0.2.1", port=2222, host_key="ssh-ed25519 AAAA")
    pool = PoolSpec(name="metal", role="worker", provider="ssh", count=1, hosts=(host,))
    start = cluster("metal-a", spec=ClusterSpec(name="demo", pools=(pool,)))
    there = Machine(name="metal-a", id="h", address="192.0.2.1", port=2222, user="ops", existing=True)
    node = node_of(lease("metal-a"), there, start.spec)
    player = Player()
    player.record = start.record
    for _ in range(2):
        run = remember(replace(start, nodes=(node,), record=player.record))
        try:
            order = next(run)
            player.orders.append(order)
            player.record = order.change(player.record)
        except StopIteration:
            break
    assert len(player.orders) == 1
    assert player.record.node("metal-a").host == {
        "address": "192.0.2.1",
        "port": 2222,
        "user": "ops",
        "hostKey": "ssh-ed25519 AAAA",
    }


def test_labels_and_taints_of_a_node():
    pool = PoolSpec(name="work", role="worker", provider="local", count=1, labels={"a": "pool"}, taints=("k:NoSchedule",))
    spec = ClusterSpec(name="demo", labels={"a": "spec", "b": "spec"}, pools=(pool,))
    machine = Machine(name="work-1", id="1", address="x", labels={"zone": "z", "b": "machine"})
    node = node_of(lease("work-1"), machine, spec)
    assert node.labels == {"a": "pool", "b": "machine", "zone": "z", "sloth.dev/pool": "work"}
    assert node.taints == ("k:NoSchedule",)
    gone = node_of(lease("old-1"), machine, spec)
    assert gone.taints == ()
    assert gone.labels["sloth.dev/pool"] == "old"


def test_a_survey_knows_recorded_nodes_that_run():
    start = cluster("cp-1", "work-1", "work-2")
    end = dashed(cp_1=True, work_1=False, stranger_1=True).play(Survey(), replace(start, nodes=()))
    assert [node.name for node in end.nodes] == ["cp-1"]


def test_providers_of_spec_and_record_are_asked_once_each():
    start = cluster("cp-1", "work-1")
    record = replace(start.record, leases=(*start.record.leases, lease("old-1", provider="ssh")))
    assert providers(replace(start, record=record)) == ["local", "ssh"]


def test_where_a_node_was_placed_is_handed_over():
    start = cluster("cp-1", "work-1")
    start = replace(start, record=start.record.with_placements("local", {"work-1": {"size": "s", "location": "l"}}))
    player = dashed()
    player.play(Machines(make_key), start)
    (made,) = player.of(MakeMachines)
    assert [dict(want.placement) for want in made.wanted] == [{}, {"size": "s", "location": "l"}]
