"""Specs that this distribution refuses, and its frame."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sloth.model.spec import ClusterSpec, KubernetesSpec, PoolSpec

from .clusters import KUBEADM, cluster


def codes(**fields: object) -> list[str]:
    return [problem.code for problem in KUBEADM.check(ClusterSpec(name="shop", kubernetes=KubernetesSpec(**fields)))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"args": {"apiServer": {"--audit-log-path": "x"}}}, "kubeadm/flag-dashes"),
        ({"args": {"apiServer": {"etcd-servers": "x"}}}, "kubeadm/own-flag"),
        ({"args": {"controllerManager": {"allocate-node-cidrs": "true"}}}, "kubeadm/own-flag"),
        ({"args": {"etcd": {"data-dir": "/x"}}}, "kubeadm/own-flag"),
        ({"kubelet": {"clusterDNS": ["10.0.0.1"]}}, "kubeadm/own-kubelet-field"),
    ],
)
def test_what_sloth_sets_itself_is_refused(fields: dict[str, object], code: str) -> None:
    assert codes(**fields) == [code]


def test_pools_are_checked_too_and_all_problems_come_at_once() -> None:
    pools = tuple(
        PoolSpec(name=name, role="worker", provider="ssh", count=1, kubelet={"staticPodPath": "/x", "kind": "y"}) for name in "ab"
    )
    found = KUBEADM.check(ClusterSpec(name="shop", pools=pools))
    assert [problem.where for problem in found] == [
        f"spec.pools[{pool}].kubelet.{field}" for pool in "ab" for field in ("staticPodPath", "kind")
    ]


def test_ordinary_settings_are_fine() -> None:
    assert codes(args={"apiServer": {"audit-log-path": "/x"}, "etcd": {"quota-backend-bytes": "1"}}, kubelet={"maxPods": 9}) == []
    assert KUBEADM.check(cluster(3, 2).spec) == []


def test_frame() -> None:
    assert KUBEADM.name == "kubeadm" and list(KUBEADM.versions()) == ["v1.36.3", "v1.35.4"]
    assert {need.name for need in KUBEADM.needs("v1.36.3")} >= {"kubelet", "containerd", "etcdctl", "kube-apiserver", "pause"}


def test_without_a_pinned_image_kubeadm_decides_its_tag() -> None:
    from .run import run

    of = replace(cluster(1), delivery=replace(cluster(1).delivery, artifacts=()))
    done = run(KUBEADM.first_server(of.nodes[0], of))
    assert "imageTag" not in str(done.steps) and "imageTag: 3.6.8-0" in str(
        run(KUBEADM.first_server(of.nodes[0], cluster(1))).steps
    )
