"""What is changed on a real control plane while it runs: its flags by the next `up`, then all its certificate authorities.

The tests build on each other, in order.
"""

import pytest

from tests.e2e.cluster import eventually

ARGS = """  kubernetes:
    apiServer: {args: {"goaway-chance": "0.01"}}
    scheduler: {args: {"v": "2"}}
    kubelet: {config: {maxPods: 77}}
"""
PKI = "/etc/kubernetes/pki"


@pytest.fixture(scope="module", autouse=True)
def running(bed):
    bed.write(control=1, workers=1)
    bed.up()


def processes(bed, name):
    return bed.inside("control-1", f"tr '\\0' ' ' </proc/$(pgrep -x {name} | head -n 1)/cmdline")


def test_changed_flags_are_drift_and_reach_what_runs_with_the_next_up(bed):
    assert bed.json("status", "--drift")["data"]["drift"] == []
    bed.write(control=1, workers=1, extra=ARGS)
    drift = [each["what"] for each in bed.json("status", "--drift", code=4)["data"]["drift"]]
    assert "its control plane does not run with the settings of the spec" in drift
    bed.up()
    assert "--goaway-chance=0.01" in processes(bed, "kube-apiserver")
    assert "--v=2" in processes(bed, "kube-scheduler")
    node = bed.kubectl("get", "node", "work-1", "-o", "jsonpath={.status.capacity.pods}")
    assert node == "77"
    assert bed.up()["changed"] == []
    assert bed.json("status", "--drift")["data"]["drift"] == []


def test_flags_that_are_taken_away_go(bed):
    bed.write(control=1, workers=1)
    bed.up()
    assert "goaway" not in processes(bed, "kube-apiserver")
    assert bed.up()["changed"] == []


def test_a_flag_that_somebody_changed_by_hand_is_set_back(bed):
    bed.inside("control-1", "sed -i 's/--profiling=false/--profiling=true/' /etc/kubernetes/manifests/kube-scheduler.yaml")
    bed.up()
    assert "--profiling=false" in processes(bed, "kube-scheduler")
    assert bed.up()["changed"] == []


def test_other_authorities(bed):
    """Killed in the middle, the same command goes on."""
    bed.kubectl("create", "deployment", "kept", "--image=registry.k8s.io/pause:3.10.2", "--replicas=2")
    bed.kubectl("rollout", "status", "deployment/kept", "--timeout=60s")
    before = {name: bed.inside("control-1", f"cat {PKI}/{name}.crt") for name in ("ca", "front-proxy-ca", "etcd/ca")}
    was = bed.inside("work-1", "openssl x509 -noout -issuer -in /var/lib/kubelet/pki/kubelet-client-current.pem")
    bed.killed_at(12, "certs", "rotate", "--ca", "--yes")
    bed.sloth("unlock", code=None)
    done = bed.json("certs", "rotate", "--ca", "--yes")["data"]
    print(f"\ncerts rotate --ca, the rest of it: {done['seconds']} s")
    (bed.folder / "kubeconfig").unlink(missing_ok=True)
    for name, old in before.items():
        now = bed.inside("control-1", f"cat {PKI}/{name}.crt")
        assert old not in now and now.count("BEGIN") == 1
    for name in ("control-1", "work-1"):
        issuer = bed.inside(name, "openssl x509 -noout -issuer -in /var/lib/kubelet/pki/kubelet-client-current.pem")
        assert issuer != was
        bed.inside(name, f"openssl verify -CAfile {PKI}/ca.crt /var/lib/kubelet/pki/kubelet-client-current.pem")
    bed.inside("control-1", f"! ls {PKI}/sloth-signer.crt 2>/dev/null")
    eventually(lambda: bed.sloth("health"), timeout=120, every=3)
    bed.kubectl("rollout", "status", "deployment/kept", "--timeout=60s")
    assert bed.up()["changed"] == []
    assert bed.json("status", "--drift")["data"]["drift"] == []


def test_a_node_joins_with_the_new_ones(bed):
    bed.write(control=1, workers=2)
    bed.up()
    assert "work-2" in bed.kubectl("get", "nodes", "-o", "name")
