"""What the distributions want, held against the module folders that they bring."""

import re
from pathlib import Path

import pytest

from sloth import registry
from sloth.adapters.artifacts.layout import Variant
from sloth.adapters.artifacts.registry_pull import parse

ROOT = Path(__file__).resolve().parents[4]
NAMES = [name for name in registry.names("distributions") if (ROOT / "distributions" / name / "source").is_dir()]
MODULES = {
    "kubernetes": "k8s.io/kubernetes",
    "kubernetes-1.35": "k8s.io/kubernetes",
    "containerd": "github.com/containerd/containerd/v2",
    "cni-plugins": "github.com/containernetworking/plugins",
    "etcd": "go.etcd.io/etcd/server/v3",
    "etcd-3.6": "go.etcd.io/etcd/server/v3",
    "coredns": "github.com/coredns/coredns",
}
NEEDS = [
    pytest.param(name, need, id=f"{name}-{version}-{need.kind}-{need.name}")
    for name in NAMES
    for version in registry.distribution(name).versions()
    for need in registry.distribution(name).needs(version)
]


@pytest.mark.parametrize(("name", "need"), NEEDS)
def test_a_need_can_be_had_from_upstream_and_from_source(name, need):
    upstream, source = Variant(need=need, origin="upstream"), Variant(need=need, origin="source")
    for text in (upstream.fill(need.url), upstream.fill(need.checksum_url), upstream.fill(need.member), upstream.ref, source.ref):
        assert "{" not in text
    if need.kind == "binary":
        assert need.path.startswith("/")
        assert upstream.fill(need.url).startswith("https://")
        assert upstream.fill(need.checksum_url).startswith("https://")
        assert not need.ref
    else:
        assert parse(upstream.ref).tag == upstream.version
        assert parse(source.ref).tag == source.version
    assert (ROOT / "distributions" / name / "source" / need.source / "go.mod").is_file()
    assert set(need.roles) <= {"control-plane", "worker"}


@pytest.mark.parametrize(("name", "need"), NEEDS)
def test_what_is_built_has_the_version_that_it_says(name, need):
    """The tag or folder of a build is the version in go.mod, never another one."""
    if need.source not in MODULES:
        pytest.skip("sloth's own source has no upstream version")
    text = (ROOT / "distributions" / name / "source" / need.source / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(MODULES[need.source])} (v\S+)", text, re.MULTILINE)
    assert found[1] == Variant(need=need, origin="source").version
    assert need.package in text


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_mirror_is_of_one_need(name):
    for version in registry.distribution(name).versions():
        needs = registry.distribution(name).needs(version)
        for origin in ("upstream", "source"):
            files = [Variant(need=need, origin=origin).file for need in needs]
            assert len(set(files)) == len(files)
        assert len({(need.kind, need.name) for need in needs}) == len(needs)


def test_kubernetes_binaries_report_their_version():
    needs = registry.distribution("kubeadm").needs("v1.36.3")
    kubelet = next(need for need in needs if need.name == "kubelet")
    assert kubelet.ldflags == (
        "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1"
        " -X k8s.io/component-base/version.gitMinor=36 -X k8s.io/component-base/version.gitCommit=source"
        " -X k8s.io/component-base/version.gitTreeState=clean"
        " -X k8s.io/component-base/version.buildDate=1970-01-01T00:00:00Z"
    )
    assert {need.ldflags for need in needs if need.source == "kubernetes"} == {kubelet.ldflags}
