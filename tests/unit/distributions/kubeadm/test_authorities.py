"""Other authorities with kubeadm: the steps of each stage, and the small programs run for real beside a kubectl of our own."""

import base64
import os
import subprocess

import pytest

from sloth.adapters.authority import make_authority
from sloth.contracts.lifecycle import RotatesAuthorities
from sloth.model.authorities import STAGES, Authority, Rotation
from sloth.model.secret import Secret
from sloth.model.step import Put, Wait
from sloth.testing.contract import check_steps

from .clusters import KUBEADM, cluster
from .run import run

ROOT = "/etc/kubernetes/pki"
PAIRS = {
    name: Authority(
        old=make_authority(f"{name} old")[0], new=make_authority(f"{name} new")[0], key=Secret(f"key of {name}", known=False)
    )
    for name in ("kubernetes", "front-proxy", "etcd")
}
OF = cluster(3, 1)


def rotation(stage):
    return Rotation(id="20260102T030405Z", stage=stage, authorities=PAIRS)


def applied(stage, name="control-1"):
    return run(KUBEADM.apply_authorities(OF.node(name), OF, rotation(stage)))


def puts(done):
    return {step.path: step for step in done.steps if isinstance(step, Put)}


def test_it_can_and_knows_kubeadm_s_three():
    assert isinstance(KUBEADM, RotatesAuthorities)
    assert set(KUBEADM.authorities()) == set(PAIRS)
    known = {file.path for file in KUBEADM.certificates() if file.authority}
    assert set(KUBEADM.authorities().values()) == known


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ["control-1", "work-1"])
def test_each_stage_is_one_round_trip_and_noted_last(stage, name):
    done = applied(stage, name)
    assert len(done.trips) == 1 and check_steps(done.steps) == []
    last = done.steps[-1]
    assert isinstance(last, Put) and last.path == "/etc/sloth/kubeadm/authorities"
    assert last.content == f"20260102T030405Z {stage}\n"
    assert run(KUBEADM.has_authorities(OF.nodes[0], rotation(stage)), {"look at its authorities": last.content.strip()}).value


@pytest.mark.parametrize("stage", ["trust", "leaves", "drop"])
def test_a_control_plane_trusts_and_signs_as_the_stage_says(stage):
    done = applied(stage)
    files = puts(done)
    for name, path in KUBEADM.authorities().items():
        assert files[path].content == rotation(stage).trusted(name)
    keys = {path: step for path, step in files.items() if path.endswith(".key")}
    if stage == "leaves":
        files_of = {"kubernetes": "ca", "front-proxy": "front-proxy-ca", "etcd": "etcd/ca"}
        assert {path: step.content.reveal() for path, step in keys.items()} == {
            f"{ROOT}/{file}.key": f"key of {name}" for name, file in files_of.items()
        }
        assert all(step.mode == 0o600 for step in keys.values())
    else:
        assert not keys, "the key stays with the certificate that signs"
    assert ("have the new authorities sign" in done.titles) == (stage == "leaves")
    # kubeadm writes one certificate alone into kubeconfigs: it must be corrected after, and before anybody restarts.
    order = done.titles
    if stage == "leaves":
        assert order.index("have the new authorities sign") < order.index("have kubeconfigs trust it")
    assert order.index("have kubeconfigs trust it") < order.index("restart etcd") < order.index("restart kube-apiserver")


def test_the_controller_manager_signs_with_one_certificate_while_there_are_two():
    """It refuses a file with two of them."""
    signer = f"{ROOT}/sloth-signer.crt"
    for stage in ("trust", "leaves"):
        files = puts(applied(stage))
        assert files[signer].content == rotation(stage).signer("kubernetes")
        assert (
            f"--cluster-signing-cert-file={signer}"
            in files["/etc/sloth/kubeadm/patches/kube-controller-manager2+json.json"].content
        )
    titles = applied("drop").titles
    assert titles.index("have it sign with ca.crt again") < titles.index("write the controller manager's manifest")
    assert titles.index("wait until kube-controller-manager works again") < titles.index("forget the signer")


def test_a_worker_only_learns_whom_to_trust():
    done = applied("trust", "work-1")
    assert set(puts(done)) == {f"{ROOT}/ca.crt", "/etc/sloth/kubeadm/authorities"}
    assert "restart the kubelet" in done.titles


def test_a_kubelet_gets_its_certificate_on_every_node():
    for name in ("control-1", "work-1"):
        done = applied("nodes", name)
        assert f"/CN=system:node:{name}" in done.text("have a new certificate for the kubelet")


def test_pods_are_made_anew_once_before_they_meet_the_new_ones():
    server = OF.nodes[0]
    titles = {stage: run(KUBEADM.spread_authorities(server, OF, rotation(stage))).titles for stage in STAGES}
    assert titles["trust"] == ["wait until every namespace has it", "have nodes that join trust it", "make pods anew"]
    assert titles["drop"] == titles["trust"][:2]
    assert titles["leaves"] == titles["nodes"] == []


# --- the small programs


@pytest.fixture
def shell(tmp_path):
    """Runs a step's text with files below `tmp_path` and programs of our own."""
    (tmp_path / "bin").mkdir()

    def carry_out(text, **programs):
        for name, body in programs.items():
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{body}\n")
            (tmp_path / "bin" / name).chmod(0o755)
        for path in ("/etc/kubernetes", "/var/lib/kubelet", "/run/sloth"):
            text = text.replace(path, f"{tmp_path}{path}")
        env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        return subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True, check=False, timeout=60)

    return carry_out


def namespaces(*texts):
    return "items:\n" + "".join(
        "- data:\n    ca.crt: |\n"
        + "".join(f"      {line}\n" for line in text.splitlines())
        + "  metadata:\n    name: kube-root-ca.crt\n"
        for text in texts
    )


@pytest.mark.parametrize(
    ("stage", "texts", "fine"),
    [
        ("trust", ["both", "both"], True), ("trust", ["both", "old"], False), ("trust", [], False), ("trust", ["new"], False),
        ("drop", ["new", "new"], True), ("drop", ["new", "both"], False), ("drop", [], False),
    ],
)  # fmt: skip
def test_every_namespace_must_have_it(stage, texts, fine, shell, tmp_path):
    pair = PAIRS["kubernetes"]
    known = {"old": pair.old, "new": pair.new, "both": pair.old + pair.new}
    (tmp_path / "answer").write_text(namespaces(*(known[each] for each in texts)))
    wait = run(KUBEADM.spread_authorities(OF.nodes[0], OF, rotation(stage))).steps[0]
    assert isinstance(wait, Wait)
    assert (shell(wait.until, kubectl="cat answer").returncode == 0) == fine


CSR = """case "$*" in
*create*) cat >asked ;;
*'get csr'*) [ ! -e signed ] || base64 -w0 signed ;;
esac"""
SIGN = """mkdir -p ca; sed -n 's/.*"request": "\\([^"]*\\)".*/\\1/p' asked | base64 -d >csr
openssl x509 -req -in csr -CA {by}.crt -CAkey {by}.key -CAcreateserial -out signed 2>/dev/null"""


@pytest.mark.parametrize(("by", "fine"), [("new", True), ("old", False)])
def test_a_kubelet_takes_only_what_the_new_authority_has_signed(by, fine, shell, tmp_path):
    for name in ("old", "new"):
        certificate, key = make_authority(f"kubernetes {name}")
        (tmp_path / f"{name}.crt").write_text(certificate)
        (tmp_path / f"{name}.key").write_text(key.reveal())
    pki, own = tmp_path / "etc/kubernetes/pki", tmp_path / "var/lib/kubelet/pki"
    pki.mkdir(parents=True)
    own.mkdir(parents=True)
    (pki / "ca.crt").write_text((tmp_path / "new.crt").read_text() + (tmp_path / "old.crt").read_text())
    (own / "kubelet-client-current.pem").symlink_to(own / "before.pem")
    text = applied("nodes", "work-1").text("have a new certificate for the kubelet")
    done = shell(text, kubectl=CSR, sleep=SIGN.format(by=by), systemctl='echo "$*" >restarted')
    assert (done.returncode == 0) == fine, done.stderr
    assert (tmp_path / "restarted").exists() == fine
    current = own / "kubelet-client-current.pem"
    if fine:
        text = current.read_text()
        assert "BEGIN CERTIFICATE" in text and "PRIVATE KEY" in text and current.stat().st_mode & 0o777 == 0o600
        subject = subprocess.run(
            ["openssl", "x509", "-noout", "-subject", "-in", str(current)], capture_output=True, text=True, check=True
        )
        assert "system:nodes" in subject.stdout and "system:node:work-1" in subject.stdout
    else:
        assert "signed by the old authority" in done.stderr
        assert os.readlink(current) == str(own / "before.pem")
    assert not list(own.glob(".sloth*")), "no key is left beside"


def test_nodes_that_join_are_told_in_the_form_that_is_there(shell, tmp_path):
    pki = tmp_path / "etc/kubernetes/pki"
    pki.mkdir(parents=True)
    (pki / "ca.crt").write_text("BOTH\n")
    (tmp_path / "before").write_text(
        "clusters:\n- cluster:\n    certificate-authority-data: b2xk\n    server: https://x\n  name: ''\n"
    )
    kubectl = """case "$*" in
*'get configmap cluster-info'*) cat before ;;
*'create configmap'*) for word; do case $word in --from-file=*) cat "${word#--from-file=}" ;; esac; done ;;
*apply*) cat >after ;;
esac"""
    text = run(KUBEADM.spread_authorities(OF.nodes[0], OF, rotation("drop"))).text("have nodes that join trust it")
    assert shell(text, kubectl=kubectl).returncode == 0
    after = (tmp_path / "after").read_text()
    assert f"certificate-authority-data: {base64.b64encode(b'BOTH' + bytes([10])).decode()}" in after
    assert "server: https://x" in after


WORKLOADS = """case "$*" in
*custom-columns*) cat list ;;
*patch*) echo "$*" >>patched ;;
*updateStrategy*) case "$*" in *manual*) printf OnDelete ;; *) printf RollingUpdate ;; esac ;;
*'rollout status'*) echo "$*" >>waited; case "$*" in *stuck*) exit 1 ;; esac ;;
esac"""


@pytest.mark.parametrize(("name", "code"), [("web", 0), ("stuck", 1)])
def test_workloads_come_back_and_those_that_were_made_anew_are_left_alone(name, code, shell, tmp_path):
    rows = [f"Deployment shop {name} <none>", "DaemonSet kube-system kube-proxy 20260102T030405Z", "DaemonSet shop manual <none>"]
    (tmp_path / "list").write_text("\n".join(rows) + "\n")
    text = run(KUBEADM.spread_authorities(OF.nodes[0], OF, rotation("trust"))).text("make pods anew")
    done = shell(text, kubectl=WORKLOADS)
    assert done.returncode == code
    patched = (tmp_path / "patched").read_text()
    assert f"Deployment {name}" in patched and "kube-proxy" not in patched
    if code:
        assert f"Deployment shop/{name} is not back" in done.stderr
    else:
        assert "kube-proxy" in (tmp_path / "waited").read_text(), "an earlier run may not have waited for it"
        assert "manual" not in (tmp_path / "waited").read_text(), "nothing but a person makes those pods anew"
