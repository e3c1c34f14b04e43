"""The texts that go onto nodes: they parse as what they are, and the small ones run for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import Certificates, HasEtcd, HasKubectl, Restores, Upgrades
from sloth.model.node import Node
from sloth.model.step import Ask, Do, Put, Result, Step, Wait
from sloth.testing.contract import check_steps
from tests.unit.distributions.kubeadm.clusters import kubernetes
from tests.unit.distributions.kubeadm.run import run

from .clusters import BOTH, CONTAINER, INFO, NAMES, RKE2, cluster, files, flavour_of

both = pytest.mark.parametrize("plugin", BOTH, ids=NAMES)
SNAPSHOT = "/var/lib/sloth/restore"


def everything(plugin: Distribution) -> list[Step]:
    assert isinstance(plugin, Upgrades) and isinstance(plugin, Restores) and isinstance(plugin, Certificates)
    plain, local = cluster(plugin, 3, 2), cluster(plugin, 3, 2, CONTAINER)
    hard = cluster(
        plugin, 1, 1, spec=kubernetes(options={"hardening": "cis"}, registries={"docker.io": ("https://m.example.com",)})
    )
    steps = [step for of in (plain, local, hard) for node in of.nodes for step in plugin.prepare(node, of)]
    first, second, worker = plain.nodes[0], plain.nodes[1], plain.nodes[3]
    for seen in ("", "left", "member", "answers"):
        tokens = {"read the server token": f"K10{'ab' * 32}::server:s", "read the agent token": "a"}
        answers = {"look how far the node is": seen, "look whether the membership works": Result(exit=1), **tokens}
        scripts = [plugin.first_server(first, plain), plugin.join(second, plain, INFO), plugin.join(worker, plain, INFO)]
        scripts += [plugin.settle(first, plain), plugin.evict(first, "work-1", plain), plugin.remove(second, plain)]
        scripts += [plugin.upgrade(node, plain, first=False) for node in (first, worker)]
        scripts += [plugin.renew(first, plain), plugin.halt(first, plain), plugin.restore(first, plain, SNAPSHOT)]
        steps += [step for script in scripts for step in run(script, answers).steps]
        steps += run(plugin.join_info(first, plain), answers).steps
    alone = {"look whether etcd is alone already": Result(exit=1)}
    return steps + run(plugin.force_alone(first, plain), alone).steps


def shell_texts(plugin: Distribution) -> dict[str, str]:
    texts = {"probe": plugin.probe()}
    for number, step in enumerate(everything(plugin)):
        match step:
            case Put() if str(step.content).startswith("#!/bin/sh"):
                texts[f"{number} {step.path}"] = str(step.content)
            case Do():
                texts[f"{number} {step.title}"] = step.run
                texts[f"{number} unless {step.title}"] = step.unless or ":"
            case Ask():
                texts[f"{number} {step.title}"] = step.run
            case Wait():
                texts[f"{number} {step.title}"] = f"{step.until}\n{step.diagnose}"
    return texts


@both
def test_every_shell_text_parses(plugin: Distribution) -> None:
    together = shell_texts(plugin)
    for name, text in {text: name for name, text in together.items()}.items():
        done = subprocess.run(["sh", "-n"], input=name, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{text}: {done.stderr}"


@both
def test_steps_keep_the_contract(plugin: Distribution) -> None:
    assert check_steps(everything(plugin)) == []


@both
def test_no_script_names_a_secret_in_a_command(plugin: Distribution) -> None:
    for name, text in shell_texts(plugin).items():
        assert "password-0123456789" not in text, name


@both
def test_every_failure_of_a_step_has_a_hint(plugin: Distribution) -> None:
    silent = {"note the membership", "apply kernel settings", "put the cluster's tokens back"}
    for step in everything(plugin):
        if isinstance(step, (Do, Wait)) and not step.title.startswith("install /"):
            assert step.hint or step.title in silent, step.title


@both
def test_the_probe_only_reads_and_prints_facts(plugin: Distribution) -> None:
    done = subprocess.run(["sh", "-s"], input=plugin.probe(), text=True, capture_output=True, check=False)
    lines = done.stdout.splitlines()
    assert lines and all("=" in line for line in lines) and "kube.state=none" in lines


def probe(plugin: Distribution, root: Path, *present: str) -> dict[str, str]:
    """The probe's answers on a host below `root` that has these files; a leading `=` marks their owner's folder."""
    for path in present:
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    text = plugin.probe()
    for folder in ("/var/lib/rancher", "/etc/rancher", "/etc/sloth", "/etc/systemd", "/usr/local/bin"):
        text = text.replace(folder, f"{root}{folder}")
    done = subprocess.run(["sh", "-s"], input=text, text=True, capture_output=True, check=False)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@both
def test_the_state_of_a_node(plugin: Distribution, tmp_path: Path) -> None:
    flavour = flavour_of(plugin)
    agent = [f"{flavour.data}/agent/client-kubelet.crt", flavour.kubelet_kubeconfig]
    states = {
        "bare": ([], "none"),
        "images": ([f"{flavour.data}/agent/images/x.tar.zst", flavour.config], "none"),
        "begun": ([flavour.membership], "broken"),
        "cut-off": ([flavour.membership, *agent], "broken"),
        "member": ([flavour.membership, flavour.note, *agent], "joined"),
        "taken-out": ([flavour.membership, flavour.note, *agent, flavour.tombstone], "broken"),
    }
    assert {name: probe(plugin, tmp_path / name, *present)["kube.state"] for name, (present, _) in states.items()} == {
        name: wanted for name, (_, wanted) in states.items()
    }


@both
def test_the_version_is_read_from_the_note_and_asked_where_the_binary_changed(plugin: Distribution, tmp_path: Path) -> None:
    binary = tmp_path / "usr/local/bin" / plugin.name
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho '{plugin.name} version v9.9.9+x (abcdef)'\necho go version go1\n")
    binary.chmod(0o755)
    assert probe(plugin, tmp_path)["kube.version"] == "v9.9.9+x"
    status = binary.stat()
    note = tmp_path / flavour_of(plugin).version_note.lstrip("/")
    note.parent.mkdir(parents=True)
    note.write_text(f"{status.st_size}:{int(status.st_mtime)} v1.2.3+noted\n")
    assert probe(plugin, tmp_path)["kube.version"] == "v1.2.3+noted"


@both
def test_nothing_that_was_put_on_a_host_stays(plugin: Distribution) -> None:
    """Every file that any script writes is below something that removal deletes."""
    of = cluster(plugin, 3, 2, CONTAINER)
    (step,) = run(plugin.remove(of.nodes[0], of)).steps
    assert isinstance(step, Do)
    deleted = [line for line in step.run.splitlines() if line.startswith("rm -rf /")][-1].split()[2:]
    assert all(path in step.unless for path in deleted)
    written = {each.path for each in everything(plugin) if isinstance(each, Put)}
    written |= {each.path for each in of.delivery.artifacts} | {"/usr/local/bin/kubectl", "/run/netns"} - {"/run/netns"}
    kept = {"/var/lib/sloth/", "/etc/containerd/certs.d"}  # the first goes with the host's own clean-up
    left = [path for path in written if not any(path == gone or path.startswith(f"{gone}/") for gone in deleted)]
    assert [path for path in left if not any(path.startswith(prefix) for prefix in kept)] == []


@both
def test_removal_ends_processes_mounts_and_interfaces_before_it_deletes(plugin: Distribution) -> None:
    of = cluster(plugin, 1, 1)
    text = run(plugin.remove(of.nodes[0], of)).text(f"delete all of {plugin.name}")
    order = ["disable -q --now", "containerd-shim", "umount -l", "link delete", "iptables", "rm -rf /etc/systemd"]
    assert [text.index(each) for each in order] == sorted(text.index(each) for each in order)


@both
def test_what_can_be_done_later(plugin: Distribution) -> None:
    for ability in (HasEtcd, HasKubectl, Upgrades, Restores, Certificates):
        assert isinstance(plugin, ability)


def node_of(plugin: Distribution, index: int) -> Node:
    return cluster(plugin, 3, 2).nodes[index]


@both
@pytest.mark.parametrize("index", [0, 3], ids=["server", "agent"])
def test_an_upgrade_replaces_the_files_then_restarts_once_and_waits_for_the_version(plugin: Distribution, index: int) -> None:
    assert isinstance(plugin, Upgrades)
    of = cluster(plugin, 3, 2, version=plugin.versions()[0])
    node = of.nodes[index]
    done = run(plugin.upgrade(node, of, first=index == 0))
    unit = flavour_of(plugin).unit(server=index == 0)
    restart = f"restart {unit} with the new version"
    assert done.titles[0] == f"install /usr/local/bin/{plugin.name}" and done.titles[-2:] == [
        restart,
        f"wait until {node.name} runs {of.version}",
    ]
    assert done.text(restart) == ("/usr/local/lib/sloth/restart-server" if index == 0 else f"systemctl restart {unit}")
    (step,) = [step for step in done.steps if step.title == restart]
    assert isinstance(step, Do) and f"-nt /run/sloth/{unit}.loaded" in step.unless, "a node that has it is left alone"


@both
def test_a_restore_uses_the_flavours_own_reset_and_forgets_old_passwords(plugin: Distribution) -> None:
    assert isinstance(plugin, Restores)
    of, flavour = cluster(plugin, 3, 2), flavour_of(plugin)
    done = run(plugin.restore(of.nodes[0], of, SNAPSHOT))
    text = done.text("restore the snapshot")
    assert f"{flavour.binary} server --cluster-reset --cluster-reset-restore-path={SNAPSHOT}/etcd.db" in text
    membership = [str(step.content) for step in done.steps if isinstance(step, Put) and step.path == flavour.membership]
    assert "server:" not in membership[0] and flavour.join_url in membership[1], "a reset is refused where a server is named"
    (forget,) = [step for step in done.steps if step.title == "forget the nodes' passwords of before"]
    assert isinstance(forget, Wait) and done.titles.index(forget.title) < done.titles.index(
        "wait until the node is a working member"
    )
    assert done.titles[-1] == "note the membership"
    assert set(plugin.backup_paths()) == {flavour.server_token, flavour.agent_token}


@both
def test_passwords_of_all_nodes_are_forgotten_in_one_request(plugin: Distribution) -> None:
    """A server whose node is refused ends some seconds after each start: there may be no time for a second request."""
    assert isinstance(plugin, Restores)
    of = cluster(plugin, 1, 1)
    (forget,) = [
        step for step in run(plugin.restore(of.nodes[0], of, SNAPSHOT)).steps if step.title.startswith("forget the nodes")
    ]
    assert isinstance(forget, Wait) and forget.until.count("kubectl --kubeconfig") == 1 and forget.every < 1
    names = f"control-1.node-password.{plugin.name} work-1.node-password.{plugin.name}"
    assert f"delete secret {names} --ignore-not-found" in forget.until and "--server" not in forget.until


@both
def test_a_member_that_is_alone_already_is_left_alone(plugin: Distribution) -> None:
    assert isinstance(plugin, Restores)
    of = cluster(plugin, 3, 0)
    assert run(plugin.force_alone(of.nodes[0], of), {"look whether etcd is alone already": Result()}).titles == [
        "look whether etcd is alone already"
    ]
    done = run(plugin.force_alone(of.nodes[0], of), {"look whether etcd is alone already": Result(exit=1)})
    assert done.titles.index("keep a copy of etcd's data") < done.titles.index("have etcd go on alone")
    assert "restore-path" not in done.text("have etcd go on alone")


@both
def test_certificates_are_named_once_each(plugin: Distribution) -> None:
    assert isinstance(plugin, Certificates)
    found = plugin.certificates()
    assert len({each.path for each in found}) == len(found) and len({each.name for each in found}) == len(found)
    assert sum(each.authority for each in found) == 5


def test_disabled_dns_is_not_waited_for() -> None:
    off = cluster(RKE2, 1, 1, spec=kubernetes(options={"disable": ["rke2-coredns"]}))
    assert "rollout" not in str(run(RKE2.settle(off.nodes[0], off)).steps[-1])
    on = cluster(RKE2, 1, 1)
    assert "deployment/rke2-coredns-rke2-coredns" in str(run(RKE2.settle(on.nodes[0], on)).steps[-1])


@both
def test_the_flavours_own_role_label_is_not_fought_over(plugin: Distribution) -> None:
    of = cluster(plugin, 1, 1)
    lines = "\n".join(f'{node.name}\t{{"node-role.kubernetes.io/control-plane": "true"}}\t\t' for node in of.nodes)
    done = run(plugin.settle(of.nodes[0], of), {"read the nodes": lines})
    assert not [step for step in done.steps if isinstance(step, Do) and "node-role.kubernetes.io/control-plane=" in step.run]


@both
def test_stories_are_short(plugin: Distribution) -> None:
    of = cluster(plugin, 3, 2)
    assert len(run(plugin.settle(of.nodes[0], of)).trips) == 2 and len(run(plugin.remove(of.nodes[0], of)).trips) == 1
    assert files(plugin, of)
