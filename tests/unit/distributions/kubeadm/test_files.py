"""The texts that go onto nodes: they parse as what they are, and the small ones run for real."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from sloth.contracts.distribution import JoinInfo
from sloth.model.cluster import Cluster
from sloth.model.node import Profile
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Step, Wait

from .clusters import CONTAINER, KUBEADM, cluster
from .run import run

OF = cluster(3, 2, CONTAINER)
PLAIN = cluster(3, 2)


def files(of: Cluster = OF, index: int = 0) -> dict[str, str]:
    steps = KUBEADM.prepare(of.nodes[index], of)
    return {step.path: str(step.content) for step in steps if isinstance(step, Put)}


def everything() -> list[Step]:
    info = JoinInfo(token=Secret("abcdef.0123456789abcdef"), ca_hash="sha256:x", certificate_key=Secret("d" * 64))
    steps = [step for of in (OF, PLAIN) for node in of.nodes for step in KUBEADM.prepare(node, of)]
    for seen in ("", "left", "member", "answers"):
        answers = {"look how far the node is": seen, "make a join token": "--token a.b --discovery-token-ca-cert-hash sha256:c"}
        first, second = OF.nodes[0], OF.nodes[1]
        scripts = [KUBEADM.first_server(first, OF), KUBEADM.join(second, OF, info), KUBEADM.join(OF.nodes[3], OF, info)]
        scripts += [KUBEADM.settle(first, OF), KUBEADM.evict(first, "work-1", OF), KUBEADM.remove(second, OF)]
        steps += [step for script in scripts for step in run(script, answers).steps]
        steps += run(KUBEADM.join_info(first, OF), answers).steps
    return steps


def shell_texts() -> dict[str, str]:
    texts = {path: content for path, content in files().items() if content.startswith("#!/bin/sh")}
    texts["probe"] = KUBEADM.probe()
    for number, step in enumerate(everything()):
        match step:
            case Do():
                texts[f"{number} {step.title}"] = step.run
                texts[f"{number} unless {step.title}"] = step.unless or ":"
            case Ask():
                texts[f"{number} {step.title}"] = step.run
            case Wait():
                texts[f"{number} {step.title}"] = f"{step.until}\n{step.diagnose}"
    return texts


def test_every_shell_text_parses() -> None:
    for name, text in shell_texts().items():
        done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"


def test_the_probe_only_reads_and_prints_facts() -> None:
    done = subprocess.run(["sh", "-s"], input=KUBEADM.probe(), text=True, capture_output=True, check=False)
    lines = done.stdout.splitlines()
    assert lines and all("=" in line for line in lines)
    assert {line.partition("=")[0] for line in lines} >= {"kube.state"}


def test_the_program_that_holds_a_port_is_read_from_ss() -> None:
    ask = run(KUBEADM.first_server(OF.nodes[0], OF)).steps[0]
    assert isinstance(ask, Ask)
    filtering = ask.run.rpartition("| ")[2]
    lines = (
        'LISTEN 0      4096               *:6443             *:*    users:(("kube-apiserver",pid=12,fd=3))\n'
        'LISTEN 0 128 [::1]:2379 [::]:* users:(("my app",pid=7,fd=1))\n'
        'LISTEN 0 128 127.0.0.1:10257 0.0.0.0:* users:(("nginx",pid=40,fd=6),("nginx",pid=41,fd=6))\n'
    )
    done = subprocess.run(["sh", "-c", filtering], input=lines, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines() == ["port 6443 kube-apiserver 12", "port 2379 my app 7", "port 10257 nginx 40"]


def test_formats() -> None:
    made = files()
    containerd = tomllib.loads(made["/etc/containerd/config.toml"])["plugins"]
    assert containerd["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "registry.k8s.io/pause:3.10.2"
    runtime = containerd["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True and runtime["tolerate_missing_hugetlb_controller"] is True
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False
    conflist = json.loads(made["/etc/cni/net.d/10-sloth.conflist"])
    assert conflist["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.42.1.0/24"}]] and conflist["plugins"][0]["mtu"] == 1420
    assert yaml.safe_load(made["/etc/sloth/apiserver/authentication.yaml"])["kind"] == "AuthenticationConfiguration"
    assert not any("@" in text.replace("wg-quick@wg0", "") for text in made.values() if "sloth-pod" in text)


def test_cgroup_drivers_of_containerd_and_kubelet_agree() -> None:
    plain = files(PLAIN)
    options = tomllib.loads(plain["/etc/containerd/config.toml"])["plugins"]["io.containerd.cri.v1.runtime"]
    assert options["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    assert yaml.safe_load(plain["/etc/sloth/kubelet.d/10-sloth.conf"])["cgroupDriver"] == "systemd"


def test_kubelet_settings_by_precedence() -> None:
    from sloth.model.spec import KubernetesSpec

    profile = Profile(kubelet={"maxPods": 1, "podPidsLimit": 5, "evictionHard": {"memory.available": "1Mi"}})
    spec = {"kubernetes": KubernetesSpec(kubelet={"maxPods": 2, "evictionHard": {"nodefs.available": "5%"}})}
    of = cluster(1, 1, profile, spec=spec)
    server, worker = (yaml.safe_load(files(of, index)["/etc/sloth/kubelet.d/10-sloth.conf"]) for index in (0, 1))
    assert (server["maxPods"], worker["maxPods"]) == (2, 50) and server["podPidsLimit"] == 5
    assert server["evictionHard"] == {"memory.available": "1Mi", "nodefs.available": "5%"}


def test_the_balancer_has_all_servers_and_only_checks_without_verifying() -> None:
    text = files()["/etc/sloth/api-balancer.cfg"]
    for number in (1, 2, 3):
        assert text.count(f"server control-{number} 10.90.0.{number}:6443") == 2
    assert "work-1" not in text and "check-ssl verify none inter 1s fall 3 rise 1" in text


@pytest.mark.parametrize(
    "resolver", ["nameserver 127.0.0.11\n", "nameserver ::1\n", "nameserver 127.0.0.53\nnameserver 192.0.2.53\n"]
)
def test_pods_get_a_resolver_that_is_not_on_the_hosts_loopback(resolver: str, tmp_path: Path) -> None:
    host = tmp_path / "resolv.conf"
    host.write_text(resolver)
    script = files()["/usr/local/lib/sloth/pod-dns"]
    script = script.replace("/run/systemd/resolve/resolv.conf", f"{tmp_path}/none").replace("/etc/resolv.conf", str(host))
    script = script.replace("/run/sloth", f"{tmp_path}/run")
    subprocess.run(["sh", "-s", "link"], input=script, text=True, check=True)
    got = tmp_path / "run" / "resolv.conf"
    assert got.is_symlink() == ("192.0.2.53" in resolver)
    assert got.read_text() == (resolver if "192.0.2.53" in resolver else "nameserver 10.90.0.1\n")


def test_a_baked_machine_installs_no_packages_and_keeps_its_swap() -> None:
    titles = [step.title for step in KUBEADM.prepare(OF.nodes[0], OF)]
    plain = [step.title for step in KUBEADM.prepare(PLAIN.nodes[0], PLAIN)]
    assert "install packages" not in titles and "turn swap off" not in titles
    assert "install packages" in plain and "turn swap off" in plain


def test_workers_get_nothing_that_only_servers_need() -> None:
    worker = [step.title for step in KUBEADM.prepare(PLAIN.nodes[-1], PLAIN)]
    assert not [title for title in worker if "etcd" in title or "apiserver" in title or "sloth-kubeadm.yaml" in title]


def test_every_failure_of_a_step_has_a_hint() -> None:
    silent = {"note the membership", "note the kubelet's version", "delete the join secrets", "apply kernel settings"}
    for step in everything():
        if isinstance(step, (Do, Wait)) and not step.title.startswith(("install /", "import ")):
            assert step.hint or step.title in silent or step.title.startswith("kubeadm init phase"), step.title


def test_no_script_names_a_secret_in_a_command() -> None:
    for name, text in shell_texts().items():
        assert "0123456789abcdef" not in text and "d" * 64 not in text, name
