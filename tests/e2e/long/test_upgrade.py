"""A real upgrade, 1.35 to 1.36, of a control plane and two workers, under load all the time; killed in the middle and resumed.

The tests of this module build on each other, in order.
"""

import json
import re
import time

import pytest

from tests.e2e.cluster import eventually
from tests.e2e.test_ha import load_image

OLD, NEW = "v1.35.4", "v1.36.3"
NODES = ["control-1", "work-1", "work-2"]
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 10
      topologySpreadConstraints:
        - maxSkew: 2
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {app: web}}
      containers:
        - name: web
          image: "sloth.test/probe:1"
          imagePullPolicy: Never
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
          lifecycle: {preStop: {sleep: {seconds: 4}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
# On every node, by its address, so that no client goes with a drain and none waits for a name.
LOAD = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: load}}
spec:
  selector: {{matchLabels: {{app: load}}}}
  template:
    metadata: {{labels: {{app: load}}}}
    spec:
      tolerations: [{{operator: Exists}}]
      terminationGracePeriodSeconds: 1
      containers:
        - {{name: load, image: "sloth.test/probe:1", imagePullPolicy: Never, command: [/probe, load, "http://{address}/"]}}
"""


def spec(bed, version):
    bed.write(control=1, workers=2, extra=f'  kubernetes: {{version: "{version}"}}\n  upgrade: {{pause: 1s}}\n')


def running(bed):
    items = json.loads(bed.kubectl("get", "nodes", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["status"]["nodeInfo"]["kubeletVersion"] for item in items}


def counts(bed):
    """Reads, writes and failures of all clients so far, and what failed."""
    total, lines = [0, 0, 0], []
    for pod in bed.kubectl("get", "pods", "-l", "app=load", "-o", "name").split():
        text = bed.kubectl("logs", pod).splitlines()
        said = [line for line in text if line.startswith("reads")]
        assert said, f"{pod} has counted nothing yet"
        total = [was + int(now) for was, now in zip(total, re.findall(r"\d+", said[-1]), strict=True)]
        lines += [line for line in text if not line.startswith("reads")]
    return total, lines


@pytest.fixture(scope="module")
def loaded(bed, probe_image):
    spec(bed, "1.35")
    assert bed.up()["kubernetes"] == OLD
    for node in NODES:
        load_image(bed, node, probe_image)
    bed.kubectl("apply", "-f", "-", stdin=WEB)
    bed.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    address = bed.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    bed.kubectl("apply", "-f", "-", stdin=LOAD.format(address=address))
    bed.kubectl("rollout", "status", "daemonset/load", "--timeout=60s")
    eventually(lambda: counts(bed))
    return bed


def test_up_refuses_a_raised_version_and_plan_shows_the_way(loaded):
    spec(loaded, "1.36")
    [error] = loaded.json("up", "--yes", code=10)["errors"]
    assert (error["code"], error["hint"]) == ("upgrade/spec-version", "sloth upgrade plan")
    plan = loaded.json("upgrade", "plan", "--exit-code", code=3)["data"]
    assert (plan["from"], plan["to"], plan["reachable"]) == (OLD, NEW, [NEW])
    assert plan["order"] == [["control-1"], ["work-1"], ["work-2"]]
    assert [each for each in plan["findings"] if each["level"] != "warns"] == []
    assert {row["name"]: row["kubelet"] for row in plan["nodes"]} == dict.fromkeys(NODES, OLD)
    assert set(running(loaded).values()) == {OLD}


def test_it_is_killed_in_the_middle_and_nothing_claims_to_be_done(loaded):
    """Batch 21 is the canary's own work: the control plane has the new version, the workers do not."""
    done = loaded.killed_at(21, "upgrade", "apply", "--yes")
    assert done.returncode == -9, done.stderr[-2000:]
    versions = running(loaded)
    assert versions["control-1"] == NEW and versions["work-2"] == OLD
    plan = loaded.json("upgrade", "plan", code=None)["data"]
    assert plan["under_way"] == NEW and plan["from"] == OLD


def test_the_next_command_finishes_it_and_no_request_failed(loaded):
    start = time.monotonic()
    loaded.sloth("unlock", code=None)
    done = loaded.json("upgrade", "apply", "--resume", "--yes")["data"]
    assert set(running(loaded).values()) == {NEW}
    assert done["to"] == NEW and "control-1" not in done["changed"], "what was finished was left alone"
    (reads, writes, failed), lines = counts(loaded)
    print(f"\nupgrade resumed in {time.monotonic() - start:.0f} s; {reads} reads and {writes} writes, {failed} failed")
    assert failed == 0, "\n".join(lines[:20])
    assert reads > 1000 and writes > 1000


def test_afterwards_all_is_new_and_nothing_is_left_to_do(loaded):
    images = loaded.kubectl("get", "pods", "-n", "kube-system", "-o", "jsonpath={.items[*].spec.containers[*].image}").split()
    assert not [image for image in images if "v1.35" in image]
    nodes = json.loads(loaded.kubectl("get", "nodes", "-o", "json"))["items"]
    assert not any(node["spec"].get("unschedulable") for node in nodes)
    assert loaded.inside("control-1", "ls /var/lib/sloth/snapshots/*-before-upgrade.db").count(".db") == 1
    again = loaded.up()
    assert (again["kubernetes"], again["changed"]) == (NEW, [])
    [error] = loaded.json("upgrade", "apply", "--to", "1.35", "--yes", code=2)["errors"]
    assert error["code"] == "upgrade/downgrade"
