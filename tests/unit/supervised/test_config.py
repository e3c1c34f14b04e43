"""config.yaml and its companions follow the spec, the pool and the machine."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest
import yaml

from sloth.contracts.distribution import Distribution
from sloth.model.cluster import Cluster
from sloth.model.node import Node, Profile
from tests.unit.distributions.kubeadm.clusters import kubernetes

from .clusters import BOTH, CONTAINER, K3S, NAMES, RKE2, cluster, commands, files, flavour_of

both = pytest.mark.parametrize("plugin", BOTH, ids=NAMES)


def config(plugin: Distribution, of: Cluster, node: Node | None = None) -> dict[str, Any]:
    return dict(yaml.safe_load(files(plugin, of, node)[flavour_of(plugin).config]))


@both
def test_a_server_is_on_the_mesh_only_and_holds_no_secret(plugin: Distribution) -> None:
    of = cluster(plugin, 3, 2)
    made = config(plugin, of, of.nodes[1])
    assert made["node-name"] == "control-2" and made["node-ip"] == made["advertise-address"] == "10.90.0.2"
    assert (
        made["cluster-cidr"] == "10.42.0.0/16" and made["service-cidr"] == "10.43.0.0/16" and made["cluster-dns"] == "10.43.0.10"
    )
    assert made["token-file"] == flavour_of(plugin).server_token and "token" not in made and "agent-token" not in made
    assert made["node-taint"] == ["node-role.kubernetes.io/control-plane:NoSchedule"] and "server" not in made


@both
def test_all_servers_agree_on_what_must_be_equal(plugin: Distribution) -> None:
    """docs.k3s.io "k3s server", critical configuration values."""
    of = cluster(plugin, 3, 2, spec=kubernetes(options={"disable": ["coredns"]}))
    first, second = config(plugin, of, of.nodes[0]), config(plugin, of, of.nodes[1])
    own = {"node-name", "node-ip", "advertise-address", "tls-san"}
    assert {key: value for key, value in first.items() if key not in own} == {
        key: value for key, value in second.items() if key not in own
    }


@both
def test_a_node_that_comes_or_goes_changes_no_other_servers_configuration(plugin: Distribution) -> None:
    small, large = cluster(plugin, 1, 1), cluster(plugin, 5, 9)
    assert config(plugin, small) == config(plugin, large)


@both
def test_an_agent_gets_agent_keys_only(plugin: Distribution) -> None:
    of = cluster(plugin, 1, 1)
    made = config(plugin, of, of.nodes[1])
    assert set(made) == {"node-name", "node-ip", "node-label", "resolv-conf", "kube-proxy-arg", "token-file"}
    assert made["token-file"] == flavour_of(plugin).agent_token
    paths = files(plugin, of, of.nodes[1])
    assert not [path for path in paths if "apiserver" in path or "restart-server" in path]


def test_what_only_one_flavour_knows() -> None:
    k3s, rke2 = config(K3S, cluster(K3S)), config(RKE2, cluster(RKE2))
    assert k3s["flannel-backend"] == "none" and k3s["secrets-encryption"] is True and "cni" not in k3s and "profile" not in k3s
    assert rke2["cni"] == ["none"] and "flannel-backend" not in rke2 and "cluster-init" not in rke2 and "profile" not in rke2
    assert rke2["kube-apiserver-extra-mount"] == ["/etc/sloth/apiserver:/etc/sloth/apiserver:ro"]
    off = cluster(K3S, spec=kubernetes(encryption=False))
    assert config(K3S, off)["secrets-encryption"] is False
    assert [each.code for each in RKE2.check(cluster(RKE2, spec=kubernetes(encryption=False)).spec)] == [
        "kubernetes/always-encrypted"
    ]


@both
def test_flags_of_components_reach_them(plugin: Distribution) -> None:
    args = {"apiServer": {"audit-log-maxage": "7"}, "etcd": {"quota-backend-bytes": "1"}, "scheduler": {"v": "2"}}
    made = config(plugin, cluster(plugin, spec=kubernetes(args=args)))
    assert "audit-log-maxage=7" in made["kube-apiserver-arg"] and made["etcd-arg"] == ["quota-backend-bytes=1"]
    assert made["kube-scheduler-arg"] == ["v=2"] and "allocate-node-cidrs=false" in made["kube-controller-manager-arg"]


@both
def test_only_health_is_told_without_a_credential_unless_the_spec_says_how_to_authenticate(plugin: Distribution) -> None:
    of = cluster(plugin)
    assert "authentication-config=/etc/sloth/apiserver/authentication.yaml" in config(plugin, of)["kube-apiserver-arg"]
    paths = {
        each["path"]
        for each in yaml.safe_load(files(plugin, of)["/etc/sloth/apiserver/authentication.yaml"])["anonymous"]["conditions"]
    }
    assert "/readyz" in paths
    own = cluster(plugin, spec=kubernetes(args={"apiServer": {"oidc-issuer-url": "https://id.example.com"}}))
    assert not [flag for flag in config(plugin, own)["kube-apiserver-arg"] if flag.startswith("authentication-config")]


@both
def test_components_that_are_not_wanted(plugin: Distribution) -> None:
    of = cluster(plugin, spec=kubernetes(options={"disable": ["traefik", "metrics-server"]}))
    assert config(plugin, of)["disable"] == ["traefik", "metrics-server"] and "disable" not in config(plugin, cluster(plugin))


@both
def test_names_of_the_api(plugin: Distribution) -> None:
    of = cluster(plugin, 3, spec=kubernetes(hostname="k8s.example.com", extra_sans=("api.example.com",)))
    node = replace(of.nodes[0], machine=replace(of.nodes[0].machine, sans=("198.51.100.9",), private_address="10.0.0.5"))
    wanted = ["192.0.2.1", "10.0.0.5", "198.51.100.9", "k8s.example.com", "api.example.com"]
    assert config(plugin, of, node)["tls-san"] == wanted


@both
def test_kubelet_settings_by_precedence_and_the_cgroup_driver_is_not_ours(plugin: Distribution) -> None:
    profile = Profile(kubelet={"maxPods": 1, "podPidsLimit": 5, "cgroupDriver": "cgroupfs"})
    of = cluster(plugin, 1, 1, profile, spec=kubernetes(kubelet={"maxPods": 2}))
    path = f"{flavour_of(plugin).data}/agent/etc/kubelet.conf.d/10-sloth.conf"
    server, worker = (yaml.safe_load(files(plugin, of, node)[path]) for node in of.nodes)
    assert (server["maxPods"], worker["maxPods"]) == (2, 50) and server["podPidsLimit"] == 5
    assert server["kind"] == "KubeletConfiguration" and "cgroupDriver" not in server


@both
def test_what_a_machine_needs_reaches_containerd_and_kube_proxy(plugin: Distribution) -> None:
    of = cluster(plugin, 1, 0, CONTAINER)
    path = f"{flavour_of(plugin).data}/agent/etc/containerd/config-v3.toml.d/10-sloth.toml"
    runtime = tomllib.loads(files(plugin, of)[path])["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime == {"restrict_oom_score_adj": True, "tolerate_missing_hugetlb_controller": True}
    assert config(plugin, of)["kube-proxy-arg"] == ["conntrack-max-per-core=0", "proxy-mode=nftables"]
    assert path not in files(plugin, cluster(plugin)) and config(plugin, cluster(plugin))["kube-proxy-arg"] == [
        "proxy-mode=nftables"
    ]


@both
def test_registry_mirrors(plugin: Distribution) -> None:
    path = f"{flavour_of(plugin).etc}/registries.yaml"
    of = cluster(plugin, spec=kubernetes(registries={"docker.io": ("https://a.example.com", "https://b.example.com")}))
    assert yaml.safe_load(files(plugin, of)[path]) == {
        "mirrors": {"docker.io": {"endpoint": ["https://a.example.com", "https://b.example.com"]}}
    }
    assert yaml.safe_load(files(plugin, cluster(plugin))[path]) == {"mirrors": {}}


def test_the_cis_profile_makes_its_host_first() -> None:
    of = cluster(RKE2, 1, 1, spec=kubernetes(options={"hardening": "cis"}))
    assert config(RKE2, of)["profile"] == "cis"
    assert config(RKE2, of, of.nodes[1])["profile"] == "cis", "agents check their kernel settings, too"
    titles = [step.title for step in RKE2.prepare(of.nodes[0], of)]
    assert titles.index("have a user etcd") < titles.index("run rke2-server")
    assert "vm.overcommit_memory = 1" in files(RKE2, of)["/etc/sysctl.d/90-sloth.conf"]
    worker = RKE2.prepare(of.nodes[1], of)
    assert (
        "useradd" not in commands(list(worker))
        and "kernel.panic = 10" in files(RKE2, of, of.nodes[1])["/etc/sysctl.d/90-sloth.conf"]
    )
    assert "vm.overcommit_memory" not in files(RKE2, cluster(RKE2))["/etc/sysctl.d/90-sloth.conf"]


@both
def test_the_balancer_leads_to_the_api_and_to_where_nodes_join(plugin: Distribution) -> None:
    text = files(plugin, cluster(plugin, 3))["/etc/sloth/api-balancer.cfg"]
    assert text.count("server control-2 10.90.0.2:6443") == 2 and "bind 127.0.0.1:6446" in text and "6444" not in text
    supervisor = flavour_of(plugin).supervisor_port == 9345
    assert text.count("server control-2 10.90.0.2:9345") == (2 if supervisor else 0)
    assert ("check port 6443 check-ssl" in text) == supervisor


@both
def test_the_unit_starts_no_node_that_was_not_told_to_be_a_member(plugin: Distribution) -> None:
    flavour = flavour_of(plugin)
    of = cluster(plugin, 1, 1)
    for node in of.nodes:
        unit = files(plugin, of, node)[f"/etc/systemd/system/{flavour.unit(server=node.is_control_plane)}.service"]
        assert f"ConditionPathExists={flavour.membership}\n" in unit and f"ConditionPathExists=!{flavour.tombstone}\n" in unit
        role = "server" if node.is_control_plane else "agent"
        assert f"ExecStart=/usr/local/bin/{plugin.name} {role}\n" in unit and "TimeoutStartSec=0" in unit


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"apiServer": {"--v": "2"}}, "kubernetes/flag-dashes"),
        ({"apiServer": {"enable-admission-plugins+": "x"}}, "kubernetes/flag-dashes"),
        ({"apiServer": {"etcd-servers": "x"}}, "kubernetes/own-flag"),
        ({"controllerManager": {"allocate-node-cidrs": "true"}}, "kubernetes/own-flag"),
        ({"etcd": {"data-dir": "/x"}}, "kubernetes/own-flag"),
    ],
)
@both
def test_flags_that_the_supervisor_sets_are_refused(plugin: Distribution, args: dict[str, dict[str, str]], code: str) -> None:
    (problem,) = plugin.check(cluster(plugin, spec=kubernetes(args=args)).spec)
    assert problem.code == code and problem.where.startswith("spec.kubernetes.")


@both
def test_kubelet_fields_that_the_supervisor_sets_are_refused(plugin: Distribution) -> None:
    (problem,) = plugin.check(cluster(plugin, spec=kubernetes(kubelet={"cgroupDriver": "systemd"})).spec)
    assert problem.code == "kubernetes/own-kubelet-field"
    assert plugin.check(cluster(plugin, 3, 2, CONTAINER).spec) == []
