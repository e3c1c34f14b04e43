"""Steps of an upgrade, as reviewed; how they are resumed; what each version is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sloth.contracts.lifecycle import HasEtcd, HasKubectl, Preloads, Upgrades
from sloth.model.cluster import Cluster
from sloth.testing.contract import check_steps

from .clusters import CONTAINER, KUBEADM, cluster
from .run import run, shown
from .test_golden import GOLDEN

OF = cluster(3, 2)


def from_source(of: Cluster) -> Cluster:
    artifacts = tuple(replace(each, origin="source") for each in of.delivery.artifacts)
    return replace(of, delivery=replace(of.delivery, artifacts=artifacts))


def test_steps_are_as_reviewed(golden: Callable[[object, str], None]) -> None:
    local = from_source(cluster(1, 1, replace(CONTAINER, baked=False)))
    scripts = {
        "preload-control-1": iter([KUBEADM.preload(OF.nodes[0], OF)]),
        "upgrade-control-1": KUBEADM.upgrade(OF.nodes[0], OF, first=True),
        "upgrade-control-2": KUBEADM.upgrade(OF.nodes[1], OF, first=False),
        "upgrade-work-1": KUBEADM.upgrade(OF.workers[0], OF, first=False),
        "local-upgrade-control-1": KUBEADM.upgrade(local.nodes[0], local, first=True),
        "local-upgrade-work-1": KUBEADM.upgrade(local.workers[0], local, first=False),
    }
    text = ""
    for title, script in scripts.items():
        trips = list(script) if title.startswith("preload") else run(script).trips
        assert check_steps([step for trip in trips for step in trip]) == []
        text += f"# {title}\n\n{shown(trips)}\n"
    golden(GOLDEN / "upgrade.md", text)


def test_the_plugin_can_all_that_an_upgrade_asks_for() -> None:
    for ability in (Upgrades, Preloads, HasKubectl, HasEtcd):
        assert isinstance(KUBEADM, ability)


def test_only_the_first_control_plane_applies_and_gives_the_cluster_its_configuration() -> None:
    first = run(KUBEADM.upgrade(OF.nodes[0], OF, first=True))
    others = [run(KUBEADM.upgrade(node, OF, first=False)) for node in (*OF.nodes[1:3], *OF.workers)]
    assert "kubeadm upgrade apply v1.36.3" in first.titles and "give the cluster the new version's configuration" in first.titles
    for done in others:
        assert "kubeadm upgrade node" in done.titles and not any("apply" in title for title in done.titles)
        assert "give the cluster the new version's configuration" not in done.titles
    assert all(len(done.trips) == 1 for done in (first, *others)), "one round trip each"


def test_kubeadm_keeps_every_patch_but_the_one_that_starts_with_a_single_dns_server() -> None:
    text = run(KUBEADM.upgrade(OF.nodes[0], OF, first=True)).text("kubeadm upgrade apply v1.36.3")
    assert "--patches=/etc/sloth/kubeadm/patches-upgrade" in text
    assert "rm -f /etc/sloth/kubeadm/patches-upgrade/corednsdeployment.json" in text
    assert "--patches" not in run(KUBEADM.upgrade(OF.workers[0], OF, first=False)).text("kubeadm upgrade node")


def test_a_coredns_that_kubeadm_does_not_know_is_set_by_sloth() -> None:
    own = from_source(OF)
    done = run(KUBEADM.upgrade(own.nodes[2], own, first=False))
    ref = next(each.ref for each in own.delivery.artifacts if each.name == "coredns")
    assert f"coredns={ref}" in done.text(f"run {ref}")
    assert "--skip-phases=addon/coredns" in done.text("kubeadm upgrade node")
    assert "skip-phases" not in run(KUBEADM.upgrade(OF.nodes[2], OF, first=False)).text("kubeadm upgrade node")


def test_preloading_brings_images_only_and_only_those_of_the_role() -> None:
    server = {step.title for step in KUBEADM.preload(OF.nodes[0], OF)}
    worker = {step.title for step in KUBEADM.preload(OF.workers[0], OF)}
    assert all(title.startswith("import ") for title in server | worker)
    assert (
        worker < server and any("kube-proxy" in title for title in worker) and not any("apiserver" in title for title in worker)
    )


@pytest.mark.parametrize("version", KUBEADM.versions())
def test_every_version_is_whole_and_of_its_own(version: str) -> None:
    needs = {need.name: need for need in KUBEADM.needs(version)}
    assert {needs[name].version for name in ("kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-proxy")} == {version}
    other = next(each for each in KUBEADM.versions() if each != version)
    mine = {(need.name, need.kind, need.version) for need in KUBEADM.needs(version)}
    theirs = {(need.name, need.kind, need.version) for need in KUBEADM.needs(other)}
    assert {name for name, _, _ in mine - theirs} == {
        "kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy",
        "etcd", "etcdctl", "etcdutl", "coredns", "pause",
    }  # fmt: skip
    with pytest.raises(KeyError):
        KUBEADM.needs("v1.0.0")
