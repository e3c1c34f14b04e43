"""Settling runs when something changed or the inspection saw something missing."""

from dataclasses import replace

import pytest

from sloth.model.facts import Facts
from sloth.model.phase import Each
from sloth.model.step import Do
from sloth.phases.settle import STAMP, Settle, wanted
from sloth.phases.stamp import digest
from tests.unit.phases.orders import cluster


class Settling:
    """A distribution that only settles."""

    def settle(self, server, cluster):
        yield Do(title="label nodes", run="label")


def orders(start):
    found = list(Settle(Settling()).run(start))
    assert all(isinstance(order, Each) for order in found)
    return [(name, list(script)) for order in found for name, script in order.scripts.items()]


def settled(**changes):
    start = cluster("cp-1", "work-1", states={"cp-1": "joined"})
    values = {"kube.state": "joined", "kube.nodes": "cp-1:Ready work-1:Ready", f"stamp.{STAMP}": f"{digest([wanted(start)])} ok"}
    values.update({key.replace("_", "."): value for key, value in changes.items()})
    return replace(start, facts={"cp-1": Facts(values=values)})


def test_what_is_settled_is_left_alone():
    assert orders(settled()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"kube_nodes": "cp-1:Ready work-1:NotReady"}, {"kube_nodes": "cp-1:Ready"}, {"kube_nodes": ""},
        {"kube_nodes": "cp-1:Ready work-1:Ready work-9:Ready"}, {"stamp_settle": "0000 ok"}, {"stamp_settle": ""},
    ],
)  # fmt: skip
def test_whatever_is_missing_is_settled_and_stamped(changes):
    ((name, trips),) = orders(settled(**changes))
    assert name == "cp-1"
    assert trips[0].title == "label nodes"
    assert [step.title for step in trips[1]] == ["begin settle", "settled", "stamp settle"]


def test_a_change_of_this_run_is_settled():
    assert len(orders(replace(settled(), changed=frozenset({"work-1"})))) == 1


def test_another_wish_is_another_stamp():
    start = settled()
    node = start.nodes[1]
    for other in (replace(node, labels={"a": "b"}), replace(node, taints=("k:NoSchedule",))):
        assert len(orders(replace(start, nodes=(start.nodes[0], other)))) == 1
    assert len(orders(replace(start, version="v1.36.4"))) == 1


def test_without_a_server_there_is_nothing_to_settle():
    assert orders(cluster("cp-1", "work-1")) == []
