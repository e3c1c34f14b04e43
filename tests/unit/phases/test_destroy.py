"""The end: existing hosts are cleaned, made machines deleted, and what is left is an error."""

from dataclasses import replace

import pytest

from sloth.errors import MachinesError
from sloth.model.phase import DestroyMachines, Each, Keep
from sloth.model.secret import Secret
from sloth.model.step import Do
from sloth.phases.clean import CleanHosts
from sloth.phases.destroy import Destroy
from tests.unit.phases.orders import Player, cluster, lease


class Removing:
    """A distribution that only removes itself."""

    def remove(self, node, cluster):
        yield Do(title=f"reset {node.name}", run="reset")


def test_everything_goes_and_is_forgotten():
    start = cluster("cp-1", "work-1", joined=("cp-1",))
    start = replace(start, record=replace(start.record, kubeconfig=Secret("k", known=False)))
    player = Player({DestroyMachines: ()})
    end = player.play(Destroy(), start)
    assert [type(order) for order in player.orders] == [DestroyMachines, Keep]
    assert (end.nodes, end.record.leases, dict(end.record.nodes), end.record.kubeconfig) == ((), (), {}, None)


def test_every_provider_is_emptied_and_what_is_left_is_listed():
    start = cluster("cp-1")
    record = replace(start.record, leases=(*start.record.leases, replace(lease("old-1"), provider="ssh")))
    left = {"local": ("container a", "network b"), "ssh": ()}
    player = Player({DestroyMachines: lambda order: left[order.provider]})
    with pytest.raises(MachinesError) as caught:
        player.play(Destroy(), replace(start, record=record))
    assert [order.provider for order in player.of(DestroyMachines)] == ["local", "ssh"]
    assert caught.value.code == "machines/left-over"
    assert caught.value.detail == "container a\nnetwork b"
    assert player.record == record  # nothing is forgotten while something is there


def test_existing_hosts_are_cleaned_workers_first():
    start = cluster("cp-1", "work-1", "work-2")
    kept = {"cp-1", "work-1"}
    nodes = tuple(replace(node, machine=replace(node.machine, existing=node.name in kept)) for node in start.nodes)
    orders = list(CleanHosts(Removing()).run(replace(start, nodes=nodes)))
    assert all(isinstance(order, Each) for order in orders)
    assert [list(order.scripts) for order in orders] == [["work-1"], ["cp-1"]]
    trips = list(orders[0].scripts["work-1"])
    flat = [step for trip in trips for step in (trip if isinstance(trip, list) else [trip])]
    assert flat[0].title == "reset work-1"
    assert any("/var/lib/sloth" in step.run for step in flat)


def test_where_nodes_were_is_forgotten_with_them():
    start = cluster("cp-1")
    record = replace(start.record.with_placements("local", {"cp-1": {"size": "s"}}))
    end = Player({DestroyMachines: ()}).play(Destroy(), replace(start, record=record))
    assert end.record.placements("local") == {}
