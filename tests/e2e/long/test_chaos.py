"""One control plane of three nodes, hurt in one way after the other while sloth works on it or looks at it.

After each fault: what the guard and the diagnosis said came true, nothing that was confirmed is lost, and the next command
finishes. The tests build on each other, in order; the last one upgrades what the others left.
"""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.cluster import docker, eventually
from tests.e2e.test_nodes import error_of, etcd_members, etcdctl, unschedulable

OLD, NEW = "v1.35.4", "v1.36.3"
NODES = ["control-1", "control-2", "control-3"]
SNAPSHOTS = "/var/lib/sloth/snapshots"
DATA = "/var/lib/etcd/member/snap/db"
OWN_API = "kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://127.0.0.1:6443 --request-timeout=4s"
VOTING = dict.fromkeys(NODES, "false")  # none of them a learner
# It takes two minutes to end: whoever drains its node waits for it.
SLOW = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: slow}
spec:
  replicas: 1
  selector: {matchLabels: {app: slow}}
  template:
    metadata: {labels: {app: slow}}
    spec:
      nodeSelector: {kubernetes.io/hostname: control-3}
      tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]
      terminationGracePeriodSeconds: 120
      containers:
        - name: slow
          image: "IMAGE"
          imagePullPolicy: Never
          lifecycle: {preStop: {sleep: {seconds: 119}}}
"""


def spec(bed, version="1.35"):
    extra = f'  kubernetes: {{version: "{version}"}}\n  backup: {{to: "file://{bed.folder}/backups"}}\n'
    bed.write(control=3, workers=0, extra=extra + "  upgrade: {pause: 0s}\n")
    text = bed.spec.read_text().replace("      count: 3\n", "      count: 3\n      disruption: {drainTimeout: 45s}\n")
    bed.spec.write_text(text)


@pytest.fixture(scope="module")
def ha(bed):
    spec(bed)
    assert bed.up()["kubernetes"] == OLD
    bed.kept = {}
    for number in range(50):
        keep(bed, f"row-{number}", check=number == 0)
    return bed


def keep(bed, name, *, check=True):
    """Write one object; what was confirmed must be there ever after."""
    made = bed.kubectl("create", "configmap", name, f"--from-literal=value={name}", "-o", "json", timeout=20)
    document = json.loads(made)
    bed.kept[name] = (document["metadata"]["uid"], name)
    if check:
        assert bed.kubectl("get", "configmap", name, "-o", "jsonpath={.metadata.uid}") == bed.kept[name][0]


def writes_go_on(bed, name, within=15):
    """Reads and writes work, at the latest so many seconds from now. What an unconfirmed try may have made goes first."""

    def write():
        bed.kubectl("delete", "configmap", name, "--ignore-not-found", timeout=5)
        keep(bed, name)

    return eventually(write, timeout=within, every=0.2)


def nothing_lost(bed):
    found = json.loads(bed.kubectl("get", "configmaps", "-o", "json"))["items"]
    there = {item["metadata"]["name"]: (item["metadata"]["uid"], (item.get("data") or {}).get("value")) for item in found}
    missing = {name: kept for name, kept in bed.kept.items() if there.get(name) != kept}
    assert missing == {}


def well(bed):
    """Healthy, as the spec asks, with three voting members and nothing left to do."""
    eventually(lambda: bed.sloth("health"), timeout=120, every=3)
    assert etcd_members(bed, "control-1") == VOTING
    assert bed.up()["changed"] == []
    nothing_lost(bed)


def critical(bed):
    """What `sloth health` calls critical about etcd: (whom, what)."""
    found = bed.json("health", code=15)["data"]["findings"]
    return {(each["subject"], each["summary"]) for each in found if each["severity"] == "critical" and each["area"] == "etcd"}


def ailments(bed):
    return [(each["node"], each["kind"], each["cure"]) for each in bed.json("recover", "--dry-run", code=3)["data"]["found"]]


def cut(bed, node):
    """No WireGuard packet passes at that node; SSH from this machine does."""
    rules = "".join(
        f"add chain inet cut {hook} {{ type filter hook {hook} priority 0; }}\n"
        f"add rule inet cut {hook} udp dport 51820 drop\nadd rule inet cut {hook} udp sport 51820 drop\n"
        for hook in ("input", "output")
    )
    bed.inside(node, f"printf '%s' 'add table inet cut\n{rules}' | nft -f -")


def heal(bed, node):
    bed.inside(node, "nft delete table inet cut")


# Disk full during a snapshot


def test_a_disk_without_room_for_the_snapshot_stops_a_removal_before_it_is_begun(ha):
    before = {node: ha.container(node) for node in NODES}
    full(ha, "control-2")
    error = error_of(ha, "nodes", "replace", "control-1", "--yes", code=14)
    assert (error["code"], error["where"]) == ("node/disk-full", "control-2")
    assert "df -h" in error["hint"] and "a snapshot needs" in error["detail"]
    assert {node: ha.container(node) for node in NODES} == before
    assert not unschedulable(ha, "control-1")
    ha.inside("control-2", f"umount {SNAPSHOTS}")
    well(ha)


def test_a_disk_that_is_full_during_the_snapshot_stops_an_upgrade_before_the_first_change(ha):
    full(ha, "control-1")
    spec(ha, "1.36")
    error = error_of(ha, "upgrade", "apply", "--yes", code=14)
    assert (error["code"], error["where"]) == ("node/disk-full", "control-1")
    assert "no space left on device" in error["detail"].lower()
    assert ha.inside("control-1", f"ls -A {SNAPSHOTS}") == "", "no half of a snapshot stays"
    assert not ha.json("upgrade", "plan")["data"]["under_way"]
    assert kubelets(ha) == dict.fromkeys(NODES, OLD)
    ha.inside("control-1", f"umount {SNAPSHOTS}")
    spec(ha)
    well(ha)


def full(bed, node):
    """Where that node saves snapshots there is less room than one needs."""
    bed.inside(node, f"mkdir -p {SNAPSHOTS} && mount -t tmpfs -o size=512k tmpfs {SNAPSHOTS}")


def test_a_disk_that_is_full_during_a_backup_leaves_no_half_of_one(ha):
    spool = "/var/lib/sloth/backup"
    ha.inside("control-1", f"mkdir -p {spool} && mount -t tmpfs -o size=6m tmpfs {spool}")
    error = error_of(ha, "backup", "create", code=14)
    assert (error["code"], error["where"]) == ("node/disk-full", "control-1")
    assert ha.json("backup", "list")["data"]["backups"] == []
    assert ha.inside("control-1", f"find {spool} -type f ! -name lock") == ""
    ha.inside("control-1", f"umount {spool}")
    made = ha.json("backup", "create")["data"]
    proven = ha.json("backup", "verify")["data"]
    assert (proven["name"], proven["keys"]) == (made["name"], made["keys"])


# A damaged etcd member


def test_a_member_whose_data_is_damaged_is_named_and_the_others_go_on(ha):
    spoil = f"pkill -STOP -x etcd; dd if=/dev/urandom of={DATA} bs=64k count=16 conv=notrunc 2>/dev/null; pkill -KILL -x etcd"
    ha.inside("control-2", spoil)
    print(f"\nwrites went on {writes_go_on(ha, 'with-one-member-damaged'):.1f} s after control-2's data was overwritten")
    eventually(lambda: _damage_is_told(ha), timeout=60, every=2)
    assert ailments(ha) == [("control-2", "member-damaged", "member")]


def _damage_is_told(bed):
    told = [summary for subject, summary in critical(bed) if subject == "control-2"]
    assert told and "its data is damaged" in told[0], told


def test_recover_takes_the_member_out_and_has_it_join_with_what_the_others_hold(ha):
    machine = ha.container("control-2")
    done = ha.sloth("recover", "--yes")
    assert "3 voting members, 2 healthy, 2 needed; without control-2: 2 voting, 2 healthy, 2 needed: quorum stays" in done.stderr
    assert ha.container("control-2") == machine, "the machine stays, and with it what else is on it"
    assert ha.inside("control-2", "ls /var/lib/sloth/aside/*/etcd/member/snap/db"), "its data was put aside, not away"
    assert ha.inside("control-1", f"ls {SNAPSHOTS}/*-before-removal.db")
    own = etcdctl(ha, "control-2", "get", "/registry/configmaps/default/", "--prefix", "--keys-only", "--consistency=s")
    assert {f"/registry/configmaps/default/{name}" for name in ha.kept} <= set(own.split()), "its copy is whole"
    assert ha.json("recover", "--dry-run")["data"]["found"] == []
    well(ha)


# Partitions of the mesh


def test_a_minority_that_is_cut_off_is_left_and_the_guard_spares_the_others(ha):
    cut(ha, "control-3")
    print(f"\nwrites went on {writes_go_on(ha, 'with-a-minority-cut-off'):.1f} s after control-3 was cut off")
    with pytest.raises(subprocess.CalledProcessError):
        ha.inside("control-3", f"{OWN_API} create configmap of-the-minority --from-literal=value=x")
    eventually(lambda: _is_silent(ha, "control-3"), timeout=30, every=2)
    assert ailments(ha) == [("control-3", "mesh-cut", "by-hand")]
    before = ha.container("control-1")
    error = error_of(ha, "nodes", "replace", "control-1", "--yes", code=15)
    assert error["code"] == "etcd/quorum"
    assert "3 voting members, 2 healthy, 2 needed; without control-1: 2 voting, 1 healthy, 2 needed: refused" in error["detail"]
    assert ha.container("control-1") == before
    assert not unschedulable(ha, "control-1")
    heal(ha, "control-3")
    well(ha)
    left = ha.kubectl("get", "configmap", "of-the-minority", "--ignore-not-found", "-o", "name")
    assert left == "", "what the minority refused is nowhere"


def _is_silent(bed, node):
    assert (node, "this member does not answer") in critical(bed)


def test_without_a_majority_all_is_refused_and_nothing_is_lost(ha):
    for node in ("control-2", "control-3"):
        cut(ha, node)
    eventually(lambda: _is_refused(ha), timeout=60)
    error = error_of(ha, "nodes", "replace", "control-2", "--yes", code=15)
    assert error["code"] == "etcd/quorum"
    assert "so nothing can be decided: refused" in error["detail"]
    # Each of them runs: nobody is told to go on with one of them alone.
    [found] = ha.json("recover", "--dry-run", code=3)["data"]["found"]
    assert (found["kind"], found["cure"], found["command"]) == ("mesh-cut", "by-hand", "sloth health")
    assert ha.json("recover", "--yes", code=15)["errors"][0]["code"] == "recover/needs-decision"
    for node in ("control-2", "control-3"):
        heal(ha, node)
    back = writes_go_on(ha, "after-the-majority-was-cut", within=60)
    print(f"\nwrites worked again {back:.1f} s after the mesh was whole")
    well(ha)


def _is_refused(bed):
    """Not confirmed: whether it comes true when the majority is back, nobody can say, as after any timeout."""
    said = bed.kubectl("create", "configmap", "refused", "--request-timeout=4s", check=False, timeout=20)
    assert "created" not in said


# Nodes that die in the middle


def test_a_node_that_is_killed_in_mid_drain_is_replaced_by_the_same_command(ha):
    pause = ha.inside("control-3", "ctr -n k8s.io images ls -q | grep /pause:").splitlines()[0]
    ha.kubectl("apply", "-f", "-", stdin=SLOW.replace("IMAGE", pause))
    ha.kubectl("rollout", "status", "deployment/slow", "--timeout=60s")
    before = ha.container("control-3")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ha.json, "nodes", "replace", "control-3", "--yes", code=None)
        eventually(lambda: _is_ending(ha), timeout=60, every=0.3)
        docker("kill", before)
        answer = running.result()
    ha.kubectl("delete", "deployment", "slow", "--wait=false")
    if not answer["ok"]:  # it waited for a pod that never confirms its end
        [error] = answer["errors"]
        assert error["code"] in ("kube/drain-slow", "node/drain-blocked") and "control-3" in error["summary"], error
        assert unschedulable(ha, "control-3"), "it stays cordoned"
        assert etcd_members(ha, "control-1") == VOTING, "its member has not gone without it"
        ha.sloth("nodes", "replace", "control-3", "--yes")
    assert ha.container("control-3") != before
    well(ha)


def _is_ending(bed):
    path = "jsonpath={.items[*].metadata.deletionTimestamp}"
    assert bed.kubectl("get", "pods", "-l", "app=slow", "--field-selector=spec.nodeName=control-3", "-o", path)


@pytest.mark.timeout(2400)
def test_a_control_plane_node_that_is_killed_in_mid_upgrade_halts_it_and_resume_finishes(ha):
    spec(ha, "1.36")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ha.json, "upgrade", "apply", "--yes", code=None, timeout=1200)
        eventually(lambda: _is_upgrading(ha, "control-2", running), timeout=600, every=0.5)
        docker("kill", ha.container("control-2"))
        writes_go_on(ha, "with-a-node-killed-in-mid-upgrade")
        answer = running.result()
    assert not answer["ok"]
    assert answer["errors"][0]["where"] == "control-2", answer["errors"]
    versions = kubelets(ha)
    assert (versions["control-1"], versions["control-3"]) == (NEW, OLD)
    assert ha.json("upgrade", "plan", code=None)["data"]["under_way"] == NEW
    if not docker("ps", "-q", "--filter", f"id={ha.container('control-2')}"):
        ha.sloth("up", "--yes")
    done = ha.json("upgrade", "apply", "--resume", "--yes", timeout=1200)["data"]
    assert done["to"] == NEW and "control-1" not in done["changed"]
    assert kubelets(ha) == dict.fromkeys(NODES, NEW)
    well(ha)


def kubelets(bed):
    items = json.loads(bed.kubectl("get", "nodes", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["status"]["nodeInfo"]["kubeletVersion"] for item in items}


def _is_upgrading(bed, node, running):
    if running.done():
        pytest.fail(f"the upgrade ended before {node} was at work: {running.result()}")
    assert bed.inside(node, "pgrep -x kubeadm || true")
