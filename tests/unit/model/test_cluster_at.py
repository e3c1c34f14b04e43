"""The cluster as one node's own work must see it, while an upgrade is half done."""

from dataclasses import replace

from sloth.model.artifact import Artifact, Delivery
from tests.unit.phases.orders import cluster

NEW = Delivery(artifacts=(Artifact(name="kubelet", version="v1.37.0", kind="binary", sha256="a", size=1, file="f"),))


def test_a_node_of_another_version_gets_what_belongs_to_it_and_the_others_do_not():
    of = replace(cluster("cp-1", "work-1"), versions={"cp-1": "v1.37.0"}, deliveries={"v1.36.3": Delivery(), "v1.37.0": NEW})
    assert of.at("work-1") is of
    assert (of.at("cp-1").version, of.at("cp-1").delivery) == ("v1.37.0", NEW)
    assert of.at("cp-1").nodes == of.nodes
