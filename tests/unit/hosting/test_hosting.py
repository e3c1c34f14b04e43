"""What all distributions share: units, fronts of the balancer, registries, texts, rules that are taken back."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from sloth.hosting.admin import Admin
from sloth.hosting.balancer import Front, balancer_config
from sloth.hosting.registries import registries_steps, registries_text
from sloth.hosting.sweep import forget_rules
from sloth.hosting.text import HOSTING, merged, yaml_text
from sloth.hosting.unit import Unit
from sloth.model.spec import ClusterSpec, KubernetesSpec
from sloth.model.step import Do, Put
from tests.unit.distributions.kubeadm.clusters import cluster


def test_a_place_without_a_value_and_a_value_without_a_place_are_errors() -> None:
    with pytest.raises(KeyError):
        HOSTING.text("pod-dns.sh")
    with pytest.raises(KeyError, match="OTHER"):
        HOSTING.text("pod-dns.sh", ADDRESS="10.90.0.1", OTHER="x")


def test_layers_are_merged_key_by_key() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": (2,)}) == {"a": {"b": 3, "c": 2}, "d": [2]}
    assert yaml_text({"b": 1, "a": [2]}) == "b: 1\na:\n- 2\n"


def test_each_front_has_backends_of_its_own() -> None:
    text = balancer_config(cluster(2, 1), [Front(name="api", listen=6446), Front(name="join", listen=9346, port=9345)])
    assert text.count("bind 127.0.0.1:") == 2 and "bind *" not in text and "0.0.0.0" not in text
    for name in ("control-plane", "listening", "control-plane-join", "listening-join"):
        assert text.count(f"backend {name}\n") >= 1
    assert text.count("server control-2 10.90.0.2:9345") == 2 and text.count("check port 6443 check-ssl") == 1


def test_an_admin_whose_kubeconfig_names_its_own_server_goes_through_the_balancer() -> None:
    assert "--server" not in Admin(kubeconfig="/x", port=6444).quick
    flags = Admin(kubeconfig="/x", port=6446, server=True).quick
    assert "--server https://127.0.0.1:6446 " in flags and flags.endswith("--request-timeout=10s")


def test_a_units_own_restart_replaces_the_ordinary_one() -> None:
    unit = Unit(name="sloth-pod-dns", reads=["/a"], binary="/b", restart="/restart", timeout=900.0)
    run = unit.steps()[-1]
    assert isinstance(run, Do) and "{ /restart; }" in run.run and "systemctl restart" not in run.run and run.timeout == 900


def spec(**registries: tuple[str, ...]) -> ClusterSpec:
    named = {name.replace("_", "."): urls for name, urls in registries.items()}
    return ClusterSpec(name="c", kubernetes=KubernetesSpec(registries=named))


def test_registries_as_containerd_wants_them() -> None:
    steps = registries_steps(
        spec(docker_io=("https://a.example.com", "https://b.example.com"), quay_io=("http://10.0.0.1:5000",))
    )
    files = {step.path: tomllib.loads(str(step.content)) for step in steps if isinstance(step, Put)}
    docker = files["/etc/containerd/certs.d/docker.io/hosts.toml"]
    assert docker["server"] == "https://registry-1.docker.io" and list(docker["host"]) == [
        "https://a.example.com",
        "https://b.example.com",
    ]
    assert files["/etc/containerd/certs.d/quay.io/hosts.toml"]["server"] == "https://quay.io"
    assert registries_text(spec()) == "mirrors: {}\n"


def test_mirrors_that_the_spec_dropped_go_and_others_files_stay(tmp_path: Path) -> None:
    def apply(of: ClusterSpec) -> list[str]:
        for step in registries_steps(of):
            if isinstance(step, Put):
                path = tmp_path / step.path.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(str(step.content))
            elif isinstance(step, Do):
                text = step.run.replace("/etc/", f"{tmp_path}/etc/")
                subprocess.run(["sh", "-c", text], check=True)
        folder = tmp_path / "etc/containerd/certs.d"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    (tmp_path / "etc/containerd/certs.d/own.example.com").mkdir(parents=True)
    assert apply(spec(docker_io=("https://a.example.com",), quay_io=("https://a.example.com",))) == [
        "docker.io",
        "own.example.com",
        "quay.io",
    ]
    assert apply(spec(quay_io=("https://a.example.com",))) == ["own.example.com", "quay.io"]
    assert apply(spec()) == ["own.example.com"]


IPTABLES = """#!/bin/sh
shift; table=$2
case "$3" in
-S) cat "$WORLD/$table" 2>/dev/null ;;
*) echo "$table $3 $4 $5 $6 $7 $8" >>"$WORLD/log" ;;
esac
"""


def test_only_chains_of_kubernetes_and_cni_are_forgotten(tmp_path: Path) -> None:
    (tmp_path / "iptables").write_text(IPTABLES)
    (tmp_path / "iptables").chmod(0o755)
    (tmp_path / "nat").write_text(
        "-P PREROUTING ACCEPT\n-N KUBE-SERVICES\n-N CNI-HOSTPORT-DNAT\n-N DOCKER\n"
        "-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j CNI-HOSTPORT-DNAT\n-A PREROUTING -j DOCKER\n"
    )
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "WORLD": str(tmp_path)}
    subprocess.run(["sh", "-c", forget_rules("KUBE-", "CNI-")], env=environment, check=True)
    log = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert ["nat", "-D", "PREROUTING", "-j", "KUBE-SERVICES"] in log and ["nat", "-F", "CNI-HOSTPORT-DNAT"] in log
    assert [line[-1] for line in log if line[1] == "-X"] == ["KUBE-SERVICES", "CNI-HOSTPORT-DNAT"]
    assert not [line for line in log if "DOCKER" in line]
