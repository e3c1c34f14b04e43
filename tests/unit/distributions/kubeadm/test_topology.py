"""What a cloud tells of a machine's place reaches Kubernetes: by the kubelet where it may, else by the settling step."""

from __future__ import annotations

from importlib import import_module

from sloth.hosting.settle import Seen
from sloth.model.cluster import Cluster
from sloth.model.node import Machine
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec, PoolSpec
from sloth.phases.machines import node_of
from tests.unit.phases.orders import lease

kubelet = import_module("sloth.distributions.kubeadm.kubelet")
settle = import_module("sloth.distributions.kubeadm.settle").SETTLING
PLACE = {
    "topology.kubernetes.io/region": "eu-central",
    "topology.kubernetes.io/zone": "fsn1-dc14",
    "sloth.dev/provider": "hcloud",
}


def cluster() -> Cluster:
    spec = ClusterSpec(name="c", pools=(PoolSpec(name="work", role="worker", provider="hcloud", count=1),))
    one = lease("work-1", provider="hcloud")
    node = node_of(one, Machine(name="work-1", id="1", address="192.0.2.1", labels=PLACE), spec)
    return Cluster(spec=spec, record=Record(cluster="c"), plan=Plan(leases=(one,)), nodes=(node,))


def test_the_kubelet_gives_itself_only_labels_that_it_may() -> None:
    here = cluster()
    args = {each["name"]: each["value"] for each in kubelet.registration(here.nodes[0], here)["kubeletExtraArgs"]}
    assert args["node-labels"] == "sloth.dev/pool=work,sloth.dev/provider=hcloud"


def test_settling_gives_the_others() -> None:
    seen = Seen(labels={"sloth.dev/pool": "work", "sloth.dev/provider": "hcloud"}, taints=frozenset(), owned=frozenset())
    label = settle.changes(cluster(), {"work-1": seen})[0]
    assert "kubectl label nodes work-1 --overwrite" in label.run
    assert "topology.kubernetes.io/region=eu-central topology.kubernetes.io/zone=fsn1-dc14" in label.run
