"""Changed flags of the control plane: seen by the probe, written by kubeadm, one component after the other."""

import json
import subprocess

import pytest
import yaml

from sloth.contracts.lifecycle import Reconfigures
from sloth.model.facts import Facts
from sloth.model.step import Do, Put, Result, Wait
from sloth.phases.inspect import parse
from sloth.testing.contract import check_steps

from .clusters import KUBEADM, cluster, kubernetes
from .run import run
from .test_encryption import encrypted

PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
PARTS = {
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "etcd": "etcd",
}
LOOK = "look which components have other settings"


def of(**args):
    return cluster(1, 1, spec=kubernetes(args=args))


def configuration(content):
    document = next(each for each in yaml.safe_load_all(content) if each["kind"] == "ClusterConfiguration")
    document["etcd"] = document["etcd"]["local"]
    return {pod: {each["name"]: each["value"] for each in document[part]["extraArgs"]} for part, pod in PARTS.items()}


def manifests(cluster_, folder):
    """As kubeadm would write them from what `prepare` puts: our flags between its own, the patches' annotations."""
    put = {step.path: step.content for step in KUBEADM.prepare(cluster_.nodes[0], cluster_) if isinstance(step, Put)}
    told = configuration(put["/etc/kubernetes/sloth-kubeadm.yaml"])
    for pod in PODS:
        patch = json.loads(put[f"/etc/sloth/kubeadm/patches/{pod}1+strategic.json"])
        command = [pod, "--own=1", *(f"--{name}={value}" for name, value in told[pod].items())]
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"annotations": patch["metadata"]["annotations"], "name": pod},
            "spec": {"containers": [{"command": command, "image": f"r/{pod}:v1.36.3"}]},
        }
        (folder / f"{pod}.yaml").write_text(_indented(document), encoding="utf-8")


def _indented(document):
    """kubeadm indents lists less than their key, as PyYAML does not by default inside mappings: both are read."""
    return yaml.safe_dump(document, width=10_000)


def seen(folder):
    """What the probe says of these manifests."""
    text = KUBEADM.probe()
    begin = text.index("awk 'FNR == 1 {pod")
    awk = text[begin : text.index(".yaml\n", begin) + len(".yaml")].replace("/etc/kubernetes/manifests", str(folder))
    done = subprocess.run(["sh", "-c", awk], capture_output=True, text=True, check=True)
    return parse(Result(out=done.stdout), 0.0)


def stale(cluster_, folder):
    """What the script says, asked of a real shell."""
    look = run(KUBEADM.apply_settings(cluster_.nodes[0], cluster_)).text(LOOK).replace("/etc/kubernetes/manifests", str(folder))
    done = subprocess.run(["sh", "-c", look], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout.split()


BASE = of()
CHANGES = {
    "apiServer": of(apiServer={"audit-log-maxage": "30"}),
    "controllerManager": of(controllerManager={"node-monitor-grace-period": "20s"}),
    "scheduler": of(scheduler={"profiling": "true"}),
    "etcd": of(etcd={"quota-backend-bytes": "4294967296"}),
}


def test_a_control_plane_that_was_made_as_asked_is_left_alone(tmp_path):
    assert isinstance(KUBEADM, Reconfigures)
    manifests(BASE, tmp_path)
    assert KUBEADM.settings_applied(seen(tmp_path), BASE)
    assert stale(BASE, tmp_path) == []
    assert run(KUBEADM.apply_settings(BASE.nodes[0], BASE), {LOOK: ""}).titles == [LOOK]


@pytest.mark.parametrize("part", CHANGES)
def test_a_flag_that_is_added_changed_or_taken_away_is_seen_in_its_component_alone(part, tmp_path):
    manifests(BASE, tmp_path)
    assert not KUBEADM.settings_applied(seen(tmp_path), CHANGES[part])
    assert stale(CHANGES[part], tmp_path) == [PARTS[part]]
    manifests(CHANGES[part], tmp_path)
    assert KUBEADM.settings_applied(seen(tmp_path), CHANGES[part])
    assert not KUBEADM.settings_applied(seen(tmp_path), BASE)
    assert stale(BASE, tmp_path) == [PARTS[part]]


@pytest.mark.parametrize(
    "by", [("--profiling=false", "--profiling=true"), ("    - --profiling=false\n", ""), ("sloth.dev/settings", "x")]
)
def test_what_somebody_changed_by_hand_is_seen(by, tmp_path):
    manifests(BASE, tmp_path)
    file = tmp_path / "kube-scheduler.yaml"
    text = file.read_text()
    assert by[0] in text
    file.write_text(text.replace(*by))
    assert not KUBEADM.settings_applied(seen(tmp_path), BASE)
    assert stale(BASE, tmp_path) == ["kube-scheduler"]


def test_a_longer_value_is_not_taken_for_the_wanted_one(tmp_path):
    wanted = of(scheduler={"v": "1"})
    manifests(wanted, tmp_path)
    file = tmp_path / "kube-scheduler.yaml"
    file.write_text(file.read_text().replace("--v=1", "--v=10"))
    assert not KUBEADM.settings_applied(seen(tmp_path), wanted)
    assert stale(wanted, tmp_path) == ["kube-scheduler"]


def test_values_that_yaml_may_write_otherwise_are_known_by_the_annotation_alone(tmp_path):
    odd = of(apiServer={"a": "x: y", "b": "two words", "c": "*", "d": "ends:"})
    manifests(odd, tmp_path)
    assert KUBEADM.settings_applied(seen(tmp_path), odd)
    assert stale(odd, tmp_path) == []
    assert not KUBEADM.settings_applied(seen(tmp_path), of(apiServer={"a": "x: z", "b": "two words", "c": "*", "d": "ends:"}))


def test_a_node_that_was_made_before_there_were_annotations_is_made_anew(tmp_path):
    assert not KUBEADM.settings_applied(Facts(values={"kube.api": "ok"}), BASE)


def test_each_component_works_again_before_the_next_is_touched():
    done = run(KUBEADM.apply_settings(BASE.nodes[0], BASE), {LOOK: "etcd\nkube-apiserver"})
    assert check_steps(done.steps) == []
    work = [step for step in done.steps if isinstance(step, (Do, Wait))]
    assert [step.title for step in work] == [
        "give etcd its settings", "wait until etcd works again", "give kube-apiserver its settings",
        "wait until kube-apiserver works again", "tell nodes that join of it",
    ]  # fmt: skip
    assert work[0].run.startswith("kubeadm init phase etcd local --config ")
    assert work[2].run.startswith("kubeadm init phase control-plane apiserver --config ")
    assert len(done.trips) == 2


def test_an_api_server_that_is_made_anew_finds_the_keys_of_secrets():
    made = encrypted()
    done = run(KUBEADM.apply_settings(made.nodes[0], made), {LOOK: "kube-apiserver"})
    paths = [step.path for step in done.steps if isinstance(step, Put)]
    assert "/etc/sloth/apiserver/encryption.json" in paths


def test_how_secrets_are_stored_is_no_setting_of_this_kind(tmp_path):
    """It has its own phase, whose stages the API servers take one by one."""
    manifests(BASE, tmp_path)
    plain = seen(tmp_path)
    assert KUBEADM.settings_applied(plain, encrypted(spec=kubernetes(args={})))
