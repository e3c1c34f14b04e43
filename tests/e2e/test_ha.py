"""The main job on real nodes, as one story: 3 + 2 nodes up, used, scaled, hurt, repaired, and gone without a trace.

The tests of this module build on each other, in order.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.cluster import docker, eventually
from tests.e2e.conftest import pods

WORKLOAD = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: probe}
spec:
  selector: {matchLabels: {app: probe}}
  template:
    metadata: {labels: {app: probe}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers:
        - {name: probe, image: "sloth.test/probe:1", imagePullPolicy: Never, ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: probe}
spec:
  selector: {app: probe}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: spread}
spec:
  replicas: 5
  selector: {matchLabels: {app: spread}}
  template:
    metadata: {labels: {app: spread}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: DoNotSchedule
          labelSelector: {matchLabels: {app: spread}}
      containers:
        - {name: probe, image: "sloth.test/probe:1", imagePullPolicy: Never}
"""
NODES = ["control-1", "control-2", "control-3", "work-1", "work-2"]


@pytest.fixture(scope="module")
def ha(bed):
    bed.write(control=3, workers=2)
    bed.first = bed.up()
    return bed


def load_image(bed, node, image):
    with image.open("rb") as stream:
        done = subprocess.run(
            ["sloth", "ssh", node, "--", "ctr", "-n", "k8s.io", "images", "import", "-"],
            executable=__import__("tests.e2e.cluster", fromlist=["SLOTH"]).SLOTH,
            cwd=bed.folder, env=bed.env, stdin=stream, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_five_nodes_are_ready(ha):
    assert ha.first["nodes"] == NODES
    found = json.loads(ha.kubectl("get", "nodes", "-o", "json"))["items"]
    ready = {
        item["metadata"]["name"]: next(c["status"] for c in item["status"]["conditions"] if c["type"] == "Ready")
        for item in found
    }
    assert ready == dict.fromkeys(NODES, "True")


def test_workloads_run_on_every_node_and_reach_each_other(ha, probe_image):
    for node in NODES:
        load_image(ha, node, probe_image)
    ha.kubectl("apply", "-f", "-", stdin=WORKLOAD)
    ha.kubectl("rollout", "status", "daemonset/probe", "--timeout=90s")
    ha.kubectl("rollout", "status", "deployment/spread", "--timeout=90s")
    spread = pods(ha.kubectl("get", "pods", "-l", "app=spread", "-o", "json"))
    assert sorted(node for _, node, _ in spread) == NODES
    found = pods(ha.kubectl("get", "pods", "-l", "app=probe", "-o", "json"))
    assert sorted(node for _, node, _ in found) == NODES
    for name, _, _ in found:
        for other, _, address in found:
            assert ha.kubectl("exec", name, "--", "/probe", "get", f"http://{address}:8080/") == other


def test_service_dns_and_exec(ha):
    name = pods(ha.kubectl("get", "pods", "-l", "app=probe", "-o", "json"))[0][0]
    address = ha.kubectl("get", "service", "probe", "-o", "jsonpath={.spec.clusterIP}")
    assert ha.kubectl("exec", name, "--", "/probe", "lookup", "probe.default.svc.cluster.local") == address
    served = {ha.kubectl("exec", name, "--", "/probe", "get", "http://probe/") for _ in range(12)}
    assert len(served) > 1, "a Service must spread over its pods"
    assert ha.kubectl("exec", name, "--", "/probe", "echo", "through the API") == "through the API"


def test_certificate_names_every_way_to_reach_the_api(ha):
    pem = ha.sloth("ssh", "control-1", "--", "cat", "/etc/kubernetes/pki/apiserver.crt").stdout
    from cryptography import x509

    names = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    leases = {row["name"]: row["mesh"] for row in ha.json("nodes", "list")["data"]["nodes"]}
    assert {"127.0.0.1", leases["control-1"], leases["control-2"], leases["control-3"]} <= addresses
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))


def test_second_up_changes_nothing_and_says_so(ha):
    done = ha.sloth("up")
    assert "nothing to change" in done.stdout
    assert ha.up()["changed"] == []


def test_status_is_healthy(ha):
    status = ha.json("status")["data"]
    assert status["healthy"]
    assert {row["name"]: row["ready"] for row in status["nodes"]} == dict.fromkeys(NODES, "Ready")


def test_one_more_worker_touches_only_itself(ha):
    before = {node: ha.container(node) for node in NODES}
    handshakes = ha.sloth("ssh", "work-1", "--", "stat", "-c", "%Y", "/etc/wireguard/peers.d/control-1.conf").stdout
    ha.write(control=3, workers=3)
    data = ha.up()
    assert "work-3" in data["nodes"]
    assert {node: ha.container(node) for node in NODES} == before
    assert ha.sloth("ssh", "work-1", "--", "stat", "-c", "%Y", "/etc/wireguard/peers.d/control-1.conf").stdout == handshakes
    journal = [json.loads(line) for line in next((ha.folder / "data").rglob("journal.jsonl")).read_text().splitlines()]
    done = [line for line in journal if line["run"] == journal[-1]["run"] and line["kind"] == "after" and line["changed"]]
    others = {(line["node"], line["step"]) for line in done if line["node"] not in ("work-3", "control-1")}
    # One peer file each, put in force and tried; the control plane's first node also makes the join token and settles.
    assert {step for _, step in others} <= {"write /etc/wireguard/peers.d/work-3.conf", "put peers in force", "try mesh peers"}


def test_one_worker_less_drains_and_forgets_it(ha):
    ha.write(control=3, workers=2)
    data = ha.up()
    assert data["nodes"] == NODES
    assert ha.container("work-3") == ""
    assert sorted(item["metadata"]["name"] for item in json.loads(ha.kubectl("get", "nodes", "-o", "json"))["items"]) == NODES
    peers = ha.sloth("ssh", "work-1", "--", "ls", "/etc/wireguard/peers.d").stdout
    assert "work-3" not in peers


def test_a_killed_control_plane_node_is_survived_and_brought_back(ha):
    docker("kill", ha.container("control-1"))
    took = eventually(lambda: ha.kubectl("get", "--raw", "/readyz", timeout=5), timeout=15, every=0.2)
    kubelets = eventually(lambda: _kubelets_reach_the_api(ha), timeout=15, every=0.2)
    print(f"the API answered {took:.1f} s after control-1 was killed; kubelets {kubelets:.1f} s")
    eventually(lambda: ha.kubectl("create", "configmap", "written-without-control-1", timeout=5), timeout=15, every=0.2)
    assert ha.up()["nodes"] == NODES
    eventually(lambda: _all_ready(ha), timeout=60)


def _kubelets_reach_the_api(ha):
    for node in ("work-1", "control-2"):
        ha.sloth(
            "ssh", node, "--", "kubectl", "--kubeconfig", "/etc/kubernetes/kubelet.conf", "get", "--raw", "/readyz", timeout=10
        )


def _all_ready(ha):
    assert ha.json("status", code=None)["data"]["healthy"]


def test_down_leaves_nothing(ha):
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if ha.name in line]
    assert mounts == []
    done = ha.sloth("down", "--yes")
    assert "0 left" in done.stdout
    assert ha.leftovers() == []
    assert [line for line in Path("/proc/mounts").read_text().splitlines() if ha.name in line] == []
    networks = docker("network", "ls", "--format", "{{.Name}}")
    assert ha.name not in networks
