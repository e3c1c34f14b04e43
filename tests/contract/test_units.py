"""Where people are sent to read a journal: each distribution names the unit that it really runs, and generic rooms name none."""

import re
from pathlib import Path

import pytest

import sloth
from sloth import registry
from tests.unit.distributions.kubeadm.clusters import cluster as kubeadm_cluster
from tests.unit.supervised.clusters import cluster as supervised_cluster

ROOT = Path(sloth.__file__).parent
CLUSTERS = {"k3s": supervised_cluster, "rke2": supervised_cluster}


@pytest.mark.parametrize("name", registry.names("distributions"))
def test_the_unit_that_is_named_is_the_one_that_is_run(name):
    plugin = registry.distribution(name)
    of = CLUSTERS[name](plugin, 1, 1) if name in CLUSTERS else kubeadm_cluster(1, 1)
    for node in of.nodes:
        titles = [step.title for step in plugin.prepare(node, of)]
        assert f"run {plugin.kubelet_unit(node.role)}" in titles


def test_generic_rooms_name_no_unit_of_one_distribution():
    wrong = re.compile(r"journalctl -u (kubelet|k3s|rke2)")
    found = [str(path.relative_to(ROOT)) for path in sorted(ROOT.rglob("*.py")) if wrong.search(path.read_text())]
    assert found == []
