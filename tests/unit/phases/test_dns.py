"""The API's name: where it points, what the record knows of it and when, and that it goes with the cluster."""

from dataclasses import replace

import pytest

from sloth.model.names import NamePlan
from sloth.model.phase import Balance, Keep, Publish
from sloth.model.spec import DnsSpec, KubernetesSpec, NetworkSpec
from sloth.phases.dns import Dns, Withdraw, published
from tests.unit.phases.orders import Player, cluster

NAME = NamePlan(cluster="demo", host="api.example.com", zone="example.com", ttl=300, targets=("192.0.2.1", "192.0.2.2"))


def start(provider="cloudy", balancer="none", **machine):
    made = cluster("cp-1", "cp-2", "work-1")
    if machine:
        nodes = tuple(replace(node, machine=replace(node.machine, **machine)) for node in made.nodes[:1])
        made = replace(made, nodes=(*nodes, *made.nodes[1:]))
    dns = DnsSpec(provider=provider, zone="example.com") if provider else DnsSpec()
    kubernetes = KubernetesSpec(hostname="api.example.com", load_balancer=balancer)
    return replace(made, spec=replace(made.spec, kubernetes=kubernetes, network=NetworkSpec(dns=dns)))


def play(phase, given, **answers):
    player = Player({Publish: None, Balance: "", **answers})
    return player, player.play(phase, given)


def test_without_dns_in_the_spec_nothing_is_done():
    player, _ = play(Dns(), start(provider=""))
    assert player.orders == []


def test_it_points_at_the_control_plane_and_the_record_knows_before_it_is_made():
    player, end = play(Dns(), start())
    assert [type(order) for order in player.orders] == [Keep, Publish, Keep]
    (order,) = player.of(Publish)
    assert (order.provider, order.wanted, order.before) == ("cloudy", NAME, None)
    assert published(end) == {"cloudy": NAME}


def test_a_node_that_is_reached_through_another_has_no_address_for_others():
    jump = cluster("cp-9").nodes[0].machine
    player, _ = play(Dns(), start(jump=jump))
    assert player.of(Publish)[0].wanted.targets == ("192.0.2.2",)


def test_it_points_at_the_load_balancer_where_there_is_one():
    player = Player({Publish: None, Balance: "lb.example.net:6443"})
    player.play(Dns(), start(balancer="provider"))
    (wanted,) = [order.wanted for order in player.of(Publish)]
    assert (wanted.targets, wanted.alias) == (("lb.example.net",), True)
    assert player.of(Balance)[0].targets == ("cp-1", "cp-2")


def test_what_was_known_stays_known_until_the_new_one_is_there():
    _, end = play(Dns(), start())
    moved = replace(end, nodes=end.nodes[1:])
    player = Player({Publish: RuntimeError("cut off")})
    with pytest.raises(RuntimeError):
        player.play(Dns(), moved)
    assert published(replace(moved, record=player.record)) == {"cloudy": NAME}
    player, after = play(Dns(), moved)
    assert player.of(Publish)[0].before == NAME
    assert published(after)["cloudy"].targets == ("192.0.2.2",)


@pytest.mark.parametrize("provider", ["", "other"])
def test_it_goes_where_the_spec_does_not_want_it_any_more(provider):
    _, end = play(Dns(), start())
    player, after = play(Dns(), replace(start(provider=provider), record=end.record))
    first = player.of(Publish)[0]
    assert (first.provider, first.wanted, first.before) == ("cloudy", None, NAME)
    assert [*published(after)] == ([provider] if provider else [])


def test_it_goes_with_the_cluster():
    _, end = play(Dns(), start())
    player, after = play(Withdraw(), end)
    assert [(order.provider, order.wanted) for order in player.of(Publish)] == [("cloudy", None)]
    assert published(after) == {}
    assert play(Withdraw(), after)[0].orders == []
