"""A control-plane node whose etcd cannot go on leaves like any other: under the guard, after a snapshot, its data put aside."""

from dataclasses import replace

import pytest

from sloth.errors import KubernetesError, UsageError
from sloth.model.facts import Facts
from sloth.model.phase import Api, Each, Say
from sloth.phases.recover import TakeOutMembers
from sloth.phases.server import working_server
from tests.unit.phases.orders import Named, Player, cluster
from tests.unit.phases.test_quorum import Group, WithEtcd

NAMES = ("cp-1", "cp-2", "cp-3")
STATES = dict.fromkeys(NAMES, "joined")


def test_its_member_goes_and_its_data_stays_on_the_node():
    player = Group({1: "ill", 2: "well", 3: "well"})
    end = player.play(TakeOutMembers(WithEtcd(), ["cp-1"]), cluster(*NAMES, states=STATES))
    (said,) = player.of(Say)
    assert said.text == "etcd: 3 voting members, 2 healthy, 2 needed; without cp-1: 2 voting, 2 healthy, 2 needed: quorum stays"
    assert [(order.title, *order.scripts) for order in player.of(Each)] == [
        ("count etcd members", "cp-2"),
        ("save a snapshot of etcd on cp-2", "cp-2"),
        ("see whether cp-1 lives", "cp-2"),
        ("take out the member of cp-1", "cp-2"),
        ("put the data of cp-1 aside", "cp-1"),
    ]
    assert [script for script in player.scripts if isinstance(script, tuple)] == [("evict", "cp-2", "cp-1"), ("halt", "cp-1")]
    assert [(order.title, [node.name for node in order.servers]) for order in player.of(Api)] == [("drain cp-1", ["cp-2"])]
    assert end.changed == {"cp-1"}


def test_a_second_run_finds_no_member_and_saves_no_snapshot():
    player = Group({2: "well", 3: "well"})
    player.play(TakeOutMembers(WithEtcd(), ["cp-1"]), cluster(*NAMES, states=STATES))
    assert [order.title for order in player.of(Each)] == [
        "count etcd members", "see whether cp-1 lives", "take out the member of cp-1", "put the data of cp-1 aside",
    ]  # fmt: skip


def test_without_a_majority_nothing_is_begun():
    player = Group({1: "ill", 2: "ill", 3: "well"})
    with pytest.raises(KubernetesError) as caught:
        player.play(TakeOutMembers(WithEtcd(), ["cp-1"]), cluster(*NAMES, states=STATES))
    assert caught.value.code == "etcd/quorum"
    assert [order.title for order in player.of(Each)] == ["count etcd members"]


def test_a_distribution_that_cannot_put_data_aside_says_so():
    with pytest.raises(UsageError) as caught:
        Player().play(TakeOutMembers(Named(), ["cp-1"]), cluster(*NAMES, states=STATES))
    assert caught.value.code == "backup/not-able"


def test_the_node_that_is_worked_through_is_one_whose_etcd_and_api_are_ready():
    start = cluster(*NAMES, states=STATES)
    ill = Facts(values={"kube.state": "joined", "kube.etcd": "down", "kube.api": "down"})
    assert working_server(start).name == "cp-1"
    assert working_server(replace(start, facts={**start.facts, "cp-1": ill})).name == "cp-2"
    assert working_server(replace(start, facts=dict.fromkeys(NAMES, ill))).name == "cp-1", "all are down: somebody must be asked"
