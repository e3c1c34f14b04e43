"""Putting data back: nothing is deleted, nothing is begun that cannot be read, and a flag that forces is taken out again."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from dataclasses import replace

import pytest

from sloth.contracts.lifecycle import HasEtcd, Restores
from sloth.model.encryption import founding
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result
from sloth.testing.contract import READING_VERBS
from tests.unit.distributions.kubeadm.clusters import KUBEADM, VERSION, cluster
from tests.unit.distributions.kubeadm.run import run

THREE = cluster(3, 1)
FIRST = THREE.nodes[0]


def test_it_can():
    assert isinstance(KUBEADM, Restores) and isinstance(KUBEADM, HasEtcd)


def test_a_backup_holds_every_authority_and_no_certificate_of_a_node():
    paths = KUBEADM.backup_paths()
    assert {f"/etc/kubernetes/pki/{name}.key" for name in ("ca", "front-proxy-ca", "etcd/ca", "sa")} <= set(paths)
    assert not any("apiserver.crt" in path or path.endswith("pki") or "healthcheck" in path for path in paths)


def test_the_restored_member_is_alone_and_watchers_notice():
    done = run(KUBEADM.restore(FIRST, THREE, "/folder"))
    text = done.text("restore the snapshot")
    assert f"--initial-cluster control-1=https://{FIRST.mesh_address}:2380 " in text
    assert "--bump-revision 1000000000 --mark-compacted" in text
    assert done.titles.index("have etcd use it") < done.titles.index("kubeadm init on the restored data")
    assert done.titles[-1] == "note the membership"
    assert any(isinstance(step, Put) and "kubeadm.k8s.io" in str(step.content) for step in done.steps)


def test_halting_is_skipped_on_a_bare_node_and_deletes_no_data():
    [step] = run(KUBEADM.halt(FIRST, THREE)).steps
    assert isinstance(step, Do) and "/var/lib/etcd/member" in step.unless and step.unless.startswith("! ")
    lines = [line for line in step.run.splitlines() if not line.startswith("#")]
    moved = next(number for number, line in enumerate(lines) if "mv /var/lib/etcd/member" in line)
    assert not any("rm -rf" in line and "/var/lib/etcd" in line for line in lines)
    kept = next(number for number, line in enumerate(lines) if "cp -a /etc/kubernetes/pki" in line)
    reset = next(number for number, line in enumerate(lines) if line.startswith("kubeadm reset"))
    assert kept < reset < moved


def test_the_text_that_halts_is_a_shell_program():
    [step] = run(KUBEADM.halt(FIRST, THREE)).steps
    subprocess.run(["sh", "-n"], input=step.run, text=True, check=True)


@pytest.mark.parametrize("alone", [True, False])
def test_forcing_is_for_one_start_only(alone):
    answers = {"look whether etcd is alone already": Result(exit=0 if alone else 1)}
    done = run(KUBEADM.force_alone(FIRST, THREE), answers)
    forced = [title for title in done.titles if title in ("keep a copy of etcd's data", "have etcd go on alone")]
    assert forced == ([] if alone else ["keep a copy of etcd's data", "have etcd go on alone"])
    assert done.titles[-2:] == ["have etcd start as usual again", "wait for the API server of this node"]


MANIFEST = """spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.90.0.1:2379
    - --data-dir=/var/lib/etcd
    image: registry.k8s.io/etcd:3.6.8-0
"""


def test_the_flag_goes_in_beside_the_others_and_out_again(tmp_path):
    path = tmp_path / "etcd.yaml"
    path.write_text(MANIFEST)
    done = run(KUBEADM.force_alone(FIRST, THREE), {"look whether etcd is alone already": Result(exit=1)})
    real = "/etc/kubernetes/manifests/etcd.yaml"
    aside = ("/etc/kubernetes/sloth-etcd.new", str(tmp_path / "aside"))
    into = done.text("have etcd go on alone").partition(" && { systemctl")[0].replace(real, str(path)).replace(*aside)
    subprocess.run(["sh", "-c", into], check=True)
    assert "    - etcd\n    - --force-new-cluster=true\n    - --advertise" in path.read_text()
    out = done.text("have etcd start as usual again").replace(real, str(path)).replace(*aside)
    subprocess.run(["sh", "-c", out], check=True)
    assert path.read_text() == MANIFEST


def readable(tmp_path, now, then):
    """Whether the check passes for encryption keys of now and of the backup's time."""
    kept = tmp_path / "etc" / "sloth" / "apiserver" / "encryption.json"
    kept.parent.mkdir(parents=True)
    folder = tmp_path / "opened"
    folder.mkdir()
    with tarfile.open(folder / "files.tar", "w") as archive:
        if then:
            kept.write_text(
                json.dumps({"resources": [{"providers": [{"aesgcm": {"keys": [{"name": "a", "secret": x}]}} for x in then]}]})
            )
            archive.add(kept, "etc/sloth/apiserver/encryption.json")
    kept.unlink(missing_ok=True)
    if now:
        kept.write_text(json.dumps({"keys": [{"secret": x} for x in now]}))
    [step] = [s for s in run(KUBEADM.restore(FIRST, THREE, str(folder))).steps if s.title.startswith("look whether the Secrets")]
    text = step.unless.replace(" /etc/sloth", f" {tmp_path}/etc/sloth")
    return subprocess.run(["sh", "-c", text], check=False, capture_output=True, env={**os.environ, "LC_ALL": "C"}).returncode == 0


@pytest.mark.parametrize(
    ("now", "then", "fine"),
    [
        (["k1"], ["k1"], True),
        (["k2", "k1"], ["k1"], True),
        (["k2"], ["k1"], False),
        ([], [], True),
        (["k2"], [], True),
        ([], ["k1"], False),
    ],
)
def test_secrets_of_another_key_are_refused_before_anything_is_begun(tmp_path, now, then, fine):
    assert readable(tmp_path, now, then) is fine


def test_a_new_machine_is_given_the_key_before_it_is_looked_for():
    record = replace(THREE.record, encryption=founding(Secret("ab" * 32)).dump())
    done = run(KUBEADM.restore(FIRST, replace(THREE, record=record), "/folder"))
    key = done.titles.index("write /etc/sloth/apiserver/encryption.json")
    assert key < done.titles.index("look whether the Secrets in the backup can be read")


def test_questions_read():
    done = run(KUBEADM.force_alone(FIRST, THREE))
    for step in done.steps:
        if isinstance(step, Ask):
            assert step.run.split()[0] in READING_VERBS


def test_the_scratch_etcd_comes_from_the_image_that_is_there():
    begin, end = KUBEADM.scratch_etcd(THREE)
    assert "registry.k8s.io/etcd:" in begin and "images mount" in begin
    assert "unmount --rm" in end
    bare = KUBEADM.scratch_etcd(cluster(1, delivery=type(THREE.delivery)()))
    assert "images ls -q" in bare[0]


def test_the_tool_that_restores_is_on_control_plane_nodes():
    [need] = [need for need in KUBEADM.needs(VERSION) if need.name == "etcdutl"]
    assert need.roles == ("control-plane",)
