"""Preparation runs where the stamp says otherwise, in one round trip."""

from dataclasses import replace

from sloth.model.facts import Facts
from sloth.model.phase import Each
from sloth.model.step import Do, Put, Upload
from sloth.phases.prepare import STAMP, Prepare, managed_paths
from sloth.phases.stamp import digest
from tests.unit.phases.orders import cluster


class Steps:
    """A distribution that only prepares."""

    def prepare(self, node, cluster):
        return [
            Put(path=f"/etc/{node.name}", content="x"),
            Upload(path="/usr/bin/x", source="s", sha256="0"),
            Do(title="go", run="go"),
        ]


def run(start):
    phase = Prepare(Steps()).run(start)
    order = next(phase)
    assert isinstance(order, Each)
    trips = {name: list(script) for name, script in order.scripts.items()}
    try:
        phase.send({})
    except StopIteration as end:
        return trips, end.value
    raise AssertionError("one order is enough")


def test_every_node_is_prepared_in_one_round_trip_and_stamped():
    trips, end = run(cluster("cp-1", "work-1"))
    assert set(trips) == {"cp-1", "work-1"}
    (batch,) = trips["cp-1"]
    assert [step.title for step in batch] == ["begin prepare", "write /etc/cp-1", "upload /usr/bin/x", "go", "stamp prepare"]
    assert "stat" in batch[-1].run
    assert "/etc/cp-1 /usr/bin/x" in batch[-1].run
    assert end.changed == {"cp-1", "work-1"}


def test_stamped_nodes_are_left_alone_and_drifted_ones_are_not():
    start = cluster("cp-1", "work-1", "work-2")
    good = {node.name: digest(Steps().prepare(node, start)) for node in start.nodes}
    facts = {
        "cp-1": Facts(values={f"stamp.{STAMP}": f"{good['cp-1']} ok"}),
        "work-1": Facts(values={f"stamp.{STAMP}": f"{good['work-1']} drift"}),
        "work-2": Facts(values={f"stamp.{STAMP}": "0000 ok"}),
    }
    trips, end = run(replace(start, facts=facts))
    assert set(trips) == {"work-1", "work-2"} == end.changed


def test_managed_paths_are_those_of_files():
    assert managed_paths(Steps().prepare(cluster("cp-1").nodes[0], None)) == ["/etc/cp-1", "/usr/bin/x"]
