"""Secrets at rest and certificates with kubeadm: what is written, with what rights, and what makes an API server take it."""

import json
import os
import stat
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sloth.model.encryption import IDENTITY, founding, to_new_key
from sloth.model.facts import Facts
from sloth.model.secret import Secret
from sloth.model.spec import KubernetesSpec
from sloth.model.step import Do, Put, Wait
from sloth.testing.contract import check_steps
from sloth.testing.script import rehearse

from .clusters import KUBEADM, cluster, kubernetes
from .run import run, shown
from .test_golden import GOLDEN

ROOT = Path(__file__).parents[4]
SEED = Secret("ab" * 32, known=False)
NOW = founding(SEED)
ROTATING = to_new_key(NOW, Secret("cd" * 32, known=False))


def encrypted(now=NOW, servers=1, **fields):
    made = cluster(servers, 1, **fields)
    return replace(made, record=replace(made.record, encryption=now.dump()))


def puts(steps):
    return {step.path: step for step in steps if isinstance(step, Put)}


def steps_of(name, of):
    node = of.control_plane[0]
    return rehearse(
        {"apply": KUBEADM.apply_encryption, "rewrite": KUBEADM.rewrite_secrets, "renew": KUBEADM.renew}[name](node, of)
    )


def api_flags(config):
    document = next(each for each in yaml.safe_load_all(config) if each["kind"] == "ClusterConfiguration")
    return {each["name"]: each["value"] for each in document["apiServer"]["extraArgs"]}


def test_the_file_is_what_the_api_server_reads():
    written = puts(steps_of("apply", encrypted(ROTATING)))["/etc/sloth/apiserver/encryption.json"]
    assert isinstance(written.content, Secret)
    assert written.mode == 0o600
    document = json.loads(written.content.reveal())
    assert (document["apiVersion"], document["kind"]) == ("apiserver.config.k8s.io/v1", "EncryptionConfiguration")
    (resource,) = document["resources"]
    assert resource["resources"] == ["secrets"]
    box, plain = resource["providers"]
    assert [key["name"] for key in box["secretbox"]["keys"]] == ["key1", "key2"]
    assert plain == {"identity": {}}


@pytest.mark.parametrize("providers", [(IDENTITY, "key1"), ("key1", IDENTITY)])
def test_the_first_provider_writes(providers):
    text = puts(steps_of("apply", encrypted(replace(NOW, providers=providers))))["/etc/sloth/apiserver/encryption.json"].content
    kinds = [next(iter(each)) for each in json.loads(text.reveal())["resources"][0]["providers"]]
    assert kinds == ["identity" if name == IDENTITY else "secretbox" for name in providers]


def test_a_cluster_that_was_never_encrypted_has_no_trace_of_it():
    of = cluster(1, 1)
    assert rehearse(KUBEADM.apply_encryption(of.control_plane[0], of)) == []
    first = rehearse(KUBEADM.first_server(of.control_plane[0], of))
    assert not any("encryption" in step.path or "kube-apiserver" in step.path for step in first if isinstance(step, Put))
    assert KUBEADM.encryption_applied(Facts(), of)


def test_the_files_are_there_before_an_api_server_starts():
    of = encrypted()
    first = rehearse(KUBEADM.first_server(of.control_plane[0], of))
    titles = [step.title for step in first]
    assert titles.index("write /etc/sloth/apiserver/encryption.json") < titles.index("kubeadm init")
    assert api_flags(puts(first)["/etc/kubernetes/sloth-kubeadm.yaml"].content)["encryption-provider-config"] == (
        "/etc/sloth/apiserver/encryption.json"
    )


def test_only_control_planes_get_the_key():
    of = encrypted(servers=2)
    from .test_golden import INFO

    def paths(node):
        return set(puts(rehearse(KUBEADM.join(node, of, INFO))))

    assert "/etc/sloth/apiserver/encryption.json" in paths(of.control_plane[1])
    assert not any("encryption" in path for path in paths(of.workers[0]))


def test_another_configuration_makes_another_pod():
    def patch(now):
        content = puts(steps_of("apply", encrypted(now)))["/etc/sloth/kubeadm/patches/kube-apiserver0+strategic.json"].content
        return json.loads(content)["metadata"]["annotations"]["sloth.dev/encryption"]

    assert patch(NOW) != patch(ROTATING)
    of = encrypted()
    assert KUBEADM.encryption_applied(Facts(values={"kube.encryption": patch(NOW)}), of)
    assert not KUBEADM.encryption_applied(Facts(values={"kube.encryption": patch(ROTATING)}), of)
    assert not KUBEADM.encryption_applied(Facts(), of)


@pytest.mark.parametrize("name", ["apply", "rewrite", "renew"])
def test_no_key_is_in_any_command(name):
    steps = steps_of(name, encrypted(ROTATING))
    assert check_steps(steps) == []
    texts = [step.run for step in steps if isinstance(step, Do)] + [step.until for step in steps if isinstance(step, Wait)]
    assert not any(key.reveal() in text for key in ROTATING.keys.values() for text in texts)


def test_renewing_restarts_every_static_pod_and_waits_for_each():
    titles = [step.title for step in steps_of("renew", encrypted())]
    assert titles == ["renew certificates"] + [
        title
        for pod in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        for title in (f"restart {pod}", f"wait until {pod} works again")
    ]


def test_two_encryption_configurations_are_refused():
    spec = kubernetes(args={"apiServer": {"encryption-provider-config": "/mine"}})
    made = cluster(1, 0, spec=spec).spec
    assert [each.code for each in KUBEADM.check(made)] == ["kubeadm/two-encryptions"]
    off = KubernetesSpec(args=made.kubernetes.args, encryption=False)
    assert KUBEADM.check(replace(made, kubernetes=off)) == []


MANIFESTS = {
    "with annotations": "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    a: b\n  labels:\n    c: d\nspec: {}\n",
    "without": "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    c: d\nspec: {}\n",
}


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_restarting_changes_one_annotation_of_the_manifest(manifest, tmp_path):
    """The real shell text on a copy, twice: the second time replaces the value of the first."""
    (tmp_path / "manifests").mkdir()
    file = tmp_path / "manifests" / "etcd.yaml"
    file.write_text(manifest)
    (step,) = [step for step in steps_of("renew", encrypted()) if step.title == "restart etcd"]
    text = step.run.replace("/etc/kubernetes", str(tmp_path))
    seen = []
    for _ in range(2):
        subprocess.run(["sh", "-c", text], check=True, timeout=20)
        document = yaml.safe_load(file.read_text())
        seen.append(document["metadata"]["annotations"].pop("sloth.dev/restarted"))
        if not document["metadata"]["annotations"]:
            del document["metadata"]["annotations"]
        assert document == yaml.safe_load(manifest)
    assert seen[0] != seen[1]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["manifests"]


def test_a_pod_has_restarted_when_its_process_is_younger_than_its_manifest(tmp_path):
    """The real shell text, with a process of ours that no other has the command line of."""
    manifest = tmp_path / "pod.yaml"
    manifest.write_text("")
    mark = f"1000.{os.getpid()}"
    script = (ROOT / "distributions" / "kubeadm" / "files" / "young-process.sh").read_text()
    text = script.replace("@NAME@", "sleep").replace("@MARK@", mark).replace("@MANIFEST@", str(manifest))

    def restarted():
        return subprocess.run(["sh", "-c", f"(\n{text})"], timeout=20, check=False).returncode == 0

    os.utime(manifest, (1, 1))
    assert not restarted()  # there is no such process
    with subprocess.Popen(["sleep", mark]) as process:
        try:
            assert restarted()
            late = time.time() + 100
            os.utime(manifest, (late, late))
            assert not restarted()
        finally:
            process.kill()


def test_steps_are_as_reviewed(golden):
    """What operating takes, to the letter: another encryption, new certificates, no more tokens."""
    of = encrypted(ROTATING)
    node = of.control_plane[0]
    scripts = {
        "apply-encryption": KUBEADM.apply_encryption(node, of),
        "rewrite-secrets": KUBEADM.rewrite_secrets(node, of),
        "renew-certificates": KUBEADM.renew(node, of),
        "revoke-tokens": KUBEADM.revoke_tokens(node, of),
    }
    text = ""
    for title, script in scripts.items():
        done = run(script)
        assert done.error is None, title
        text += f"# {title}\n\n{shown(done.trips)}\n"
    golden(GOLDEN / "operating.md", text)
