"""Nodes that must go: drained first, then the machine, then the lease."""

from dataclasses import replace

import pytest

from sloth.errors import ConnectError, CredentialsError, KubernetesError, StepError
from sloth.model.phase import Api, Connect, DeleteMachines, Each, Keep, Say
from sloth.model.plan import Plan
from sloth.model.step import Do
from sloth.phases.depart import Depart
from sloth.phases.server import working_server
from tests.unit.phases.orders import Named, Player, cluster, lease, login_for

PHASE = Depart(Named(), login_for)


def leaving(*names, **settings):
    start = cluster("cp-1", "work-1", **settings)
    gone = tuple(lease(name, number) for number, name in enumerate(names, 8))
    record = replace(start.record, leases=(*start.record.leases, *gone))
    return replace(start, record=record, plan=Plan(leases=start.plan.leases, remove=gone))


def test_one_after_the_other_drain_delete_forget():
    player = Player()
    end = player.play(PHASE, leaving("work-2", "work-3", states={"cp-1": "joined"}))
    kinds = [type(order) for order in player.orders]
    assert kinds == [Each, Api, Each, DeleteMachines, Keep] * 2
    assert [order.title for order in player.of(Api)] == ["drain work-2", "drain work-3"]
    assert player.scripts == [("evict", "cp-1", "work-2"), ("evict", "cp-1", "work-3")]
    assert [order.names for order in player.of(DeleteMachines)] == [("work-2",), ("work-3",)]
    assert [each.name for each in end.record.leases] == ["cp-1", "work-1"]
    assert end.changed == {"work-2", "work-3"}


@pytest.mark.parametrize("part", ["evict", Api])
def test_what_cannot_be_drained_or_taken_out_is_not_deleted(part):
    player = Player({part: StepError("step/failed", "a budget forbids it", hint="sloth up")})
    with pytest.raises(StepError):
        player.play(PHASE, leaving("work-2", states={"cp-1": "joined"}))
    assert player.of(DeleteMachines) == []
    assert (("evict", "cp-1", "work-2") in player.scripts) == (part == "evict")
    assert "work-2" in {each.name for each in player.record.leases}


def test_what_kubernetes_does_not_know_is_not_drained():
    player = Player(lives=None)
    player.play(PHASE, leaving("work-2", states={"cp-1": "joined"}))
    assert [type(order) for order in player.orders] == [Each, Each, DeleteMachines, Keep]


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


class Removes(Named):
    """Its `remove` is a script of steps, the rest are names."""

    def remove(self, node, cluster):
        yield Do(title=f"reset {node.name}", run="reset")


HOST = {"address": "192.0.2.9", "port": 2222, "user": "ops", "hostKey": "ssh-ed25519 AAAA"}


def leaving_host(**known):
    start = leaving("metal-a", states={"cp-1": "joined"})
    return replace(start, record=start.record.with_node("metal-a", joined=True, **known))


def test_an_existing_host_is_cleaned_where_the_record_has_it():
    player = Player()
    end = player.play(Depart(Removes(), login_for), leaving_host(host=HOST))
    assert [type(order) for order in player.orders] == [Each, Api, Each, DeleteMachines, Connect, Each, Keep]
    (order,) = player.of(Connect)
    (login,) = order.logins
    assert (login.node, login.address, login.port, login.user) == ("metal-a", "192.0.2.9", 2222, "ops")
    assert login.host_keys == ("ssh-ed25519 AAAA",) and 0 < login.patience < 60
    trips = list(player.of(Each)[2].scripts["metal-a"])
    steps = [step for trip in trips for step in (trip if isinstance(trip, list) else [trip])]
    assert steps[0].title == "reset metal-a" and "/var/lib/sloth" in steps[-1].run
    assert player.of(Say) == [] and "metal-a" not in {each.name for each in end.record.leases}


def test_known_hosts_come_before_the_key_that_the_spec_had():
    def knows(node, record):
        return replace(login_for(node, record), host_keys=("ssh-ed25519 BBBB",))

    player = Player()
    player.play(Depart(Removes(), knows), leaving_host(host=HOST))
    assert player.of(Connect)[0].logins[0].host_keys == ("ssh-ed25519 BBBB",)


class Deaf(Player):
    """A player whose hosts cannot be reached when scripts may fail."""

    def _answer(self, order):
        if isinstance(order, Each) and order.gather:
            return {node: ConnectError("connect/no-answer", "it does not answer", hint="look") for node in order.scripts}
        return super()._answer(order)


def no_credentials(node, record):
    raise CredentialsError("ssh/no-key", "there is no key", hint="make one")


@pytest.mark.parametrize(
    ("player", "login", "host", "why"),
    [
        (Deaf(), login_for, HOST, "it does not answer"),
        (Player(), no_credentials, HOST, "there is no key"),
        (Player(), login_for, {}, "sloth does not know where it is"),
    ],
)
def test_a_host_that_cannot_be_cleaned_is_told_and_goes(player, login, host, why):
    end = player.play(Depart(Removes(), login), leaving_host(host=host))
    (said,) = player.of(Say)
    assert said.warning and "metal-a" in said.text and "still there" in said.text and why in said.text
    assert "metal-a" not in {each.name for each in end.record.leases}
