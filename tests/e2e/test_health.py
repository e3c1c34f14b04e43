"""Health, certificates and Secrets at rest on a real cluster: what is broken is named, and rotation breaks nothing."""

import base64

import pytest

from tests.e2e.cluster import eventually

ETCD = (
    "--endpoints=https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt"
    " --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key"
)


@pytest.fixture(scope="module", autouse=True)
def running(bed):
    bed.write(control=1, workers=1)
    bed.up()


def stored(bed, name):
    """A Secret as etcd has it."""
    key = f"/registry/secrets/default/{name}"
    return base64.b64decode(bed.inside("control-1", f"etcdctl get {key} --print-value-only {ETCD} | base64 -w0"))


def problems(bed, *verb, code):
    found = bed.json(*verb, code=code)["data"]["findings"]
    return {(row["area"], row["subject"], row["summary"]) for row in found if row["severity"] == "critical"}


def test_a_cluster_that_is_well_is_healthy_and_as_the_spec_asks(bed):
    eventually(lambda: bed.sloth("health"))
    answer = bed.json("status")
    assert (answer["ok"], answer["data"]["severity"], answer["errors"]) == (True, "healthy", [])
    assert answer["data"]["etcd"] == {"leader": "control-1", "members": 1}
    areas = {row["area"] for row in bed.json("health")["data"]["findings"]}
    assert areas == {"machines", "nodes", "etcd", "pods", "mesh", "certificates", "disk", "clock", "versions"}
    assert bed.json("status", "--drift")["data"]["drift"] == []


@pytest.mark.parametrize("unit", ["kubelet", "containerd"])
def test_a_service_that_stopped_is_named_at_once(bed, unit):
    bed.inside("work-1", f"systemctl stop {unit}")
    try:
        assert ("nodes", "work-1", f"its service {unit} is inactive") in problems(bed, "health", code=15)
        failure = bed.json("status", code=15)
        assert failure["ok"] is False
        assert {error["code"] for error in failure["errors"]} <= {"health/critical", "health/unknown"}
    finally:
        bed.inside("work-1", f"systemctl start {unit}")
    eventually(lambda: bed.sloth("health"), timeout=120, every=2)


def test_changes_by_hand_are_drift_with_their_layer(bed):
    bed.kubectl("label", "node", "work-1", "sloth.dev/pool=hand", "--overwrite")
    bed.inside("work-1", "touch -r /etc/containerd/config.toml /tmp/then && echo '# by hand' >>/etc/containerd/config.toml"
               " && touch -r /tmp/then /etc/containerd/config.toml")  # fmt: skip
    drift = {(row["layer"], row["node"], row["what"]) for row in bed.json("status", "--drift", code=4)["data"]["drift"]}
    assert {("host", "work-1", "write /etc/containerd/config.toml"), ("kubernetes", "", "label work-1")} <= drift
    assert {layer for layer, _, _ in drift} == {"host", "kubernetes"}
    assert bed.up()["changed"] == ["work-1"]
    assert bed.json("status", "--drift")["data"]["drift"] == []


def test_secrets_are_encrypted_at_rest(bed):
    bed.kubectl("create", "secret", "generic", "one", "--from-literal=word=open-sesame")
    before = stored(bed, "one")
    assert before.startswith(b"k8s:enc:secretbox:v1:key1:")
    assert b"open-sesame" not in before
    assert bed.inside("control-1", "stat -c %a /etc/sloth/apiserver/encryption.json") == "600"


def test_every_certificate_is_listed(bed):
    listed = bed.json("certs", "check")["data"]["certificates"]
    assert {"apiserver", "etcd server", "admin.conf", "kubelet client", "cluster CA"} <= {row["name"] for row in listed}
    assert {row["node"] for row in listed if row["name"] == "kubelet client"} == {"control-1", "work-1"}
    assert all(row["days"] > 300 for row in listed)


def test_a_half_joined_node_and_a_stopped_service_are_found_and_recovered(bed):
    assert bed.json("recover", "--dry-run")["data"]["found"] == []
    bed.inside("work-1", "rm /etc/sloth/kubeadm/member")  # as a join leaves it that was cut off just before its end
    bed.inside("control-1", "systemctl stop containerd")
    found = bed.json("recover", "--dry-run", code=3)["data"]["found"]
    assert [(row["node"], row["kind"], row["cure"]) for row in found] == [
        ("control-1", "service-stopped", "services"),
        ("work-1", "half-joined", "up"),
    ]
    done = bed.json("recover", "--yes")
    assert (done["ok"], done["data"]["left"]) == (True, [])
    assert bed.inside("work-1", "cat /etc/sloth/kubeadm/member") == "joined"
    eventually(lambda: bed.sloth("health"), timeout=90, every=2)
