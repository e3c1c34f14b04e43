"""Verbs about single nodes on a real cluster of three control-plane nodes and a worker, as one story.

The tests of this module build on each other, in order.
"""

import json

import pytest

from tests.e2e.cluster import docker, eventually

NODES = ["control-1", "control-2", "control-3", "work-1"]
# One replica and a budget that keeps it: a drain can never evict it. Control-plane nodes are tainted, so it is on work-1.
GUARDED = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: "IMAGE", imagePullPolicy: Never}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: web}}
"""


@pytest.fixture(scope="module")
def ha(bed):
    bed.write(control=3, workers=1)
    bed.up()
    return bed


def unschedulable(bed, node):
    return bed.kubectl("get", "node", node, "-o", "jsonpath={.spec.unschedulable}") == "true"


def error_of(bed, *words, code):
    (error,) = bed.json(*words, code=code)["errors"]
    return error


def etcdctl(bed, node, *words):
    """etcdctl on a control-plane node, past sloth."""
    pki = "/etc/kubernetes/pki/etcd"
    certs = f"--cacert {pki}/ca.crt --cert {pki}/healthcheck-client.crt --key {pki}/healthcheck-client.key"
    return bed.inside(node, f"etcdctl {' '.join(words)} --endpoints=https://127.0.0.1:2379 {certs}")


def etcd_members(bed, node):
    """Name and whether it is a learner, as that node's etcd has them."""
    listed = etcdctl(bed, node, "member", "list", "-w", "simple")
    return {fields[2]: fields[5] for fields in (line.split(", ") for line in listed.splitlines())}


def test_a_command_runs_on_the_chosen_nodes_and_the_worst_exit_is_told(ha):
    data = ha.json("nodes", "exec", "--role", "control-plane", "hostname")["data"]
    assert {row["node"]: row["stdout"] for row in data["nodes"]} == {name: name for name in NODES[:3]}
    told = ha.sloth("nodes", "exec", "--", 'echo here; echo there >&2; [ "$(hostname)" != work-1 ] || exit 3', code=3)
    assert "control-2 | here" in told.stdout
    assert "work-1    | ended with 3" in told.stderr
    assert "control-3 | there" in told.stderr


def test_cordon_and_uncordon(ha):
    ha.sloth("nodes", "cordon", "work-1")
    assert unschedulable(ha, "work-1")
    ha.sloth("nodes", "uncordon", "work-1")
    assert not unschedulable(ha, "work-1")


def test_a_drain_names_the_budget_in_its_way_and_goes_on_only_by_its_name(ha):
    pause = ha.inside("work-1", "ctr -n k8s.io images ls -q | grep /pause:").splitlines()[0]
    ha.kubectl("apply", "-f", "-", stdin=GUARDED.replace("IMAGE", pause))
    ha.kubectl("-n", "shop", "rollout", "status", "deployment/web", "--timeout=60s")
    eventually(lambda: _budget_is_counted(ha), timeout=30)
    error = error_of(ha, "nodes", "drain", "work-1", "--timeout", "8s", code=15)
    assert error["code"] == "node/drain-blocked"
    assert "disruption budget shop/web lets no pod of Deployment shop/web go" in error["summary"]
    assert "--force-budget shop/web" in error["hint"]
    assert unschedulable(ha, "work-1"), "it stays cordoned"
    assert _pods_on(ha, "work-1", "shop") == ["Running"], "and the pod lives"
    ha.sloth("nodes", "drain", "work-1", "--timeout", "60s", "--force-budget", "shop/web")
    assert _pods_on(ha, "work-1", "shop") == []
    ha.sloth("nodes", "uncordon", "work-1")


def _budget_is_counted(bed):
    assert bed.kubectl("-n", "shop", "get", "pdb", "web", "-o", "jsonpath={.status.currentHealthy}") == "1"


def _pods_on(bed, node, namespace):
    selector = f"--field-selector=spec.nodeName={node}"
    return bed.kubectl("-n", namespace, "get", "pods", selector, "-o", "jsonpath={.items[*].status.phase}").split()


def test_a_reboot_is_waited_for_and_ends_the_cordon(ha):
    ha.kubectl("delete", "namespace", "shop", "--wait=false")
    before = docker("inspect", "-f", "{{.State.StartedAt}}", ha.container("work-1"))
    ha.sloth("nodes", "reboot", "work-1", "--timeout", "60s")
    assert docker("inspect", "-f", "{{.State.StartedAt}}", ha.container("work-1")) != before
    assert not unschedulable(ha, "work-1")
    assert ha.kubectl("get", "node", "work-1", "-o", "jsonpath={.metadata.annotations.sloth\\.dev/cordoned}") == ""


def test_the_first_control_plane_node_is_replaced_with_the_sum_told_and_a_snapshot_kept(ha):
    before = ha.container("control-1")
    # As a join leaves it that is broken off at the wrong moment: etcd takes no second learner while this one is there.
    etcdctl(ha, "control-2", "member", "add", "ghost", "--learner", "--peer-urls=https://10.90.0.77:2380")
    done = ha.sloth("nodes", "replace", "control-1", "--yes")
    assert "3 voting members, 3 healthy, 2 needed; without control-1: 2 voting, 2 healthy, 2 needed: quorum stays" in done.stderr
    assert ha.container("control-1") not in ("", before)
    assert etcd_members(ha, "control-2") == dict.fromkeys(NODES[:3], "false")
    saved = ha.inside("control-2", "stat -c '%a %U' /var/lib/sloth/snapshots/*-before-removal.db").splitlines()
    assert saved == ["600 root"]
    ready = "-o=jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    assert ha.kubectl("get", "nodes", ready).split() == ["True"] * len(NODES)


def test_the_guard_refuses_when_two_of_three_are_down_and_nothing_is_begun(ha):
    for node in ("control-2", "control-3"):
        docker("kill", ha.container(node))
    error = error_of(ha, "nodes", "replace", "control-1", "--yes", code=15)
    assert error["code"] == "etcd/quorum"
    assert "3 voting members, 0 healthy, 2 needed, so nothing can be decided: refused" in error["detail"]
    assert "control-1: answers, but reaches no majority" in error["detail"]
    assert "control-3: does not answer" in error["detail"]
    state = json.loads(docker("inspect", ha.container("control-2")))[0]["State"]
    assert not state["Running"], "what is refused has started nothing"
    assert ha.container("control-1") != ""
