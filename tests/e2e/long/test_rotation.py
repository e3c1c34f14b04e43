"""Certificates and keys of a real cluster are changed one kind after the other, and afterwards everything works as before.

The tests build on each other, in order. What takes the time are restarts of the API server, each with its time of grace.
"""

import base64
import time

import pytest

from tests.e2e.cluster import eventually
from tests.e2e.test_health import stored
from tests.e2e.test_nodes import etcd_members

OFF = "  kubernetes: {encryption: {enabled: false}}\n"


@pytest.fixture(scope="module", autouse=True)
def running(bed):
    bed.write(control=1, workers=1, extra=OFF)
    bed.up()
    bed.kubectl("create", "secret", "generic", "one", "--from-literal=word=open-sesame")


def word(bed):
    return base64.b64decode(bed.kubectl("get", "secret", "one", "-o", "jsonpath={.data.word}"))


def test_a_cluster_that_stored_plain_text_is_encrypted_by_the_next_up(bed):
    assert b"open-sesame" in stored(bed, "one")
    bed.write(control=1, workers=1)
    bed.up()
    assert stored(bed, "one").startswith(b"k8s:enc:secretbox:v1:key1:")
    assert word(bed) == b"open-sesame"
    assert bed.up()["changed"] == []


def test_another_encryption_key(bed):
    bed.sloth("certs", "rotate", "--encryption-key", "--yes")
    assert stored(bed, "one").startswith(b"k8s:enc:secretbox:v1:key2:")
    assert word(bed) == b"open-sesame"
    assert "key1" not in bed.inside("control-1", "cat /etc/sloth/apiserver/encryption.json")
    assert bed.json("status", "--drift")["data"]["drift"] == []


def test_other_mesh_keys_ssh_key_and_no_more_tokens(bed):
    keys = {name: bed.inside(name, "wg show wg0 public-key") for name in ("control-1", "work-1")}
    bed.sloth("certs", "rotate", "--mesh-keys", "--yes")
    assert all(bed.inside(name, "wg show wg0 public-key") != key for name, key in keys.items())
    was = bed.inside("work-1", "cat /root/.ssh/authorized_keys")
    bed.sloth("certs", "rotate", "--ssh-key", "--yes")
    now = bed.inside("work-1", "cat /root/.ssh/authorized_keys")
    assert len(now.split("ssh-ed25519")) == len(was.split("ssh-ed25519"))
    assert now != was
    bed.sloth("certs", "rotate", "--join-tokens", "--yes")
    assert bed.inside("control-1", "kubeadm token list -o json").strip() == ""
    assert bed.up()["changed"] == []
    eventually(lambda: bed.sloth("health"), timeout=90, every=3)


def test_new_certificates(bed):
    def ends():
        return {
            row["name"]: row["expires"]
            for row in bed.json("certs", "check")["data"]["certificates"]
            if row["node"] == "control-1"
        }

    before, was = ends(), bed.sloth("kubeconfig").stdout
    time.sleep(1)  # an end is told in whole seconds
    bed.sloth("certs", "rotate", "--yes")
    now = ends()
    renewed = {name for name in before if now[name] > before[name]}
    assert renewed >= {"apiserver", "apiserver-etcd-client", "etcd server", "etcd peer", "admin.conf", "scheduler.conf"}
    assert "cluster CA" not in renewed
    assert bed.sloth("kubeconfig").stdout != was
    assert bed.kubectl("get", "nodes", "-o", "name").split() == ["node/control-1", "node/work-1"]
    assert bed.up()["changed"] == []
    eventually(lambda: bed.sloth("health"), timeout=120, every=3)


def test_back_to_plain_text(bed):
    bed.write(control=1, workers=1, extra=OFF)
    bed.up()
    assert b"open-sesame" in stored(bed, "one")
    assert "secretbox" not in bed.inside("control-1", "cat /etc/sloth/apiserver/encryption.json")
    assert word(bed) == b"open-sesame"


@pytest.mark.timeout(2400)
def test_three_control_planes_get_other_authorities_and_the_api_never_stops_deciding(bed):
    """One node after the other, each with a majority of others; killed in the middle, the same command goes on."""
    pki = "/etc/kubernetes/pki"
    servers = ["control-1", "control-2", "control-3"]
    bed.write(control=3, workers=1, extra=OFF)
    bed.up()
    before = bed.inside("control-1", f"cat {pki}/ca.crt {pki}/front-proxy-ca.crt {pki}/etcd/ca.crt")
    bed.killed_at(20, "certs", "rotate", "--ca", "--yes")
    bed.sloth("unlock", code=None)
    eventually(lambda: bed.kubectl("create", "configmap", "in-the-middle", timeout=5), timeout=30)
    done = bed.json("certs", "rotate", "--ca", "--yes", timeout=1200)["data"]
    print(f"\ncerts rotate --ca of three, the rest of it: {done['seconds']} s")
    (bed.folder / "kubeconfig").unlink(missing_ok=True)
    now = {name: bed.inside(name, f"cat {pki}/ca.crt {pki}/front-proxy-ca.crt {pki}/etcd/ca.crt") for name in servers}
    assert len(set(now.values())) == 1, "all have the same"
    new = now["control-1"].split("-----END CERTIFICATE-----")
    assert len(new) == 4 and not set(filter(str.strip, new)) & set(before.split("-----END CERTIFICATE-----"))
    for name in [*servers, "work-1"]:
        bed.inside(name, f"openssl verify -CAfile {pki}/ca.crt /var/lib/kubelet/pki/kubelet-client-current.pem")
    assert etcd_members(bed, "control-2") == dict.fromkeys(servers, "false")
    eventually(lambda: bed.sloth("health"), timeout=120, every=3)
    assert bed.kubectl("get", "configmap", "in-the-middle", "-o", "name") == "configmap/in-the-middle"
    assert word(bed) == b"open-sesame"
    assert bed.up()["changed"] == []
    assert bed.json("status", "--drift")["data"]["drift"] == []
