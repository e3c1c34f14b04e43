"""Backups on a real cluster, as one story: made, proven, everything destroyed, put back on new machines; then a lost majority.

The tests of this module build on each other, in order.
"""

import json
import subprocess
import time

import pytest

from tests.e2e.cluster import docker, eventually

ROWS = 400
ROOM = 180  # seconds for the restore of a destroyed cluster


def rows(bed):
    found = json.loads(bed.kubectl("get", "configmaps", "-l", "kind=row", "-o", "json"))["items"]
    return {item["metadata"]["name"]: (item["metadata"]["uid"], item["data"]["value"]) for item in found}


def add_rows(bed, first, count):
    items = [
        {
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"value": f"{number * number}"},
            "metadata": {"name": f"row-{number}", "labels": {"kind": "row"}},
        }
        for number in range(first, first + count)
    ]  # fmt: skip
    bed.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def write(bed, more=""):
    bed.write(control=3, workers=1, extra=f"  backup:\n    to: file://{bed.folder}/backups\n    keep: {{last: 2}}\n    {more}\n")


@pytest.fixture(scope="module")
def cluster(bed):
    write(bed)
    bed.up()
    add_rows(bed, 0, ROWS)
    bed.kubectl("create", "secret", "generic", "kept", "--from-literal=word=tiger")
    bed.before = rows(bed)
    return bed


def test_a_backup_is_made_sealed_and_brought_off_the_nodes(cluster):
    made = cluster.json("backup", "create")["data"]
    print(f"\nbackup create: {made['seconds']} s, {made['archive_size']} bytes of {made['data_size']}")
    cluster.name_of_backup = made["name"]
    [row] = cluster.json("backup", "list")["data"]["backups"]
    assert (row["name"], row["problem"], row["verified"]) == (made["name"], "", "")
    for file in (cluster.folder / "backups").iterdir():
        assert b"tiger" not in file.read_bytes()
    assert "PRIVATE KEY" not in cluster.inside("control-1", "cat /etc/sloth/backup/certificate.pem")


def test_it_is_proven_in_a_scratch_etcd_that_leaves_nothing(cluster):
    proven = cluster.json("backup", "verify")["data"]
    print(f"\nbackup verify: {proven['seconds']} s")
    assert proven["keys"] > ROWS
    assert cluster.json("backup", "list")["data"]["backups"][0]["verified"]
    for node in ("control-1", "control-2", "control-3"):
        left = cluster.inside(node, "ls -A /var/lib/sloth/restore 2>/dev/null; pgrep -xc etcd")
        assert left == "1"


def test_all_machines_destroyed_the_cluster_comes_back_from_the_backup(cluster):
    """What was made after the backup is lost; all that was in it is there, with the same identity."""
    add_rows(cluster, ROWS, 5)
    mark = f"label=sloth.cluster={cluster.name}"
    for container in docker("ps", "-aq", "--filter", mark, "--filter", "label=sloth.node").split():
        subprocess.run(["docker", "rm", "-fv", container], check=True, capture_output=True, timeout=120)
    began = time.monotonic()
    restored = cluster.json("backup", "restore", "--yes")["data"]
    took = time.monotonic() - began
    print(f"\nbackup restore onto 3+1 new machines: {took:.1f} s")
    (cluster.folder / "kubeconfig").unlink()
    assert restored["from"] == cluster.name_of_backup
    assert rows(cluster) == cluster.before
    word = cluster.kubectl("get", "secret", "kept", "-o", "jsonpath={.data.word}")
    assert word == "dGlnZXI="
    nodes = cluster.kubectl("get", "nodes", "-o", "name").split()
    assert sorted(nodes) == ["node/control-1", "node/control-2", "node/control-3", "node/work-1"]
    assert took <= ROOM


def test_afterwards_there_is_nothing_to_do(cluster):
    assert cluster.up()["changed"] == []


def test_after_a_lost_majority_the_survivor_goes_on_with_all_it_has(cluster):
    add_rows(cluster, 2000, 7)
    present = rows(cluster)
    for node in ("control-2", "control-3"):
        subprocess.run(["docker", "rm", "-fv", cluster.container(node)], check=True, capture_output=True, timeout=120)
    began = time.monotonic()
    cluster.json("backup", "restore", "--survivor", "control-1", "--yes")
    print(f"\nbackup restore --survivor: {time.monotonic() - began:.1f} s")
    (cluster.folder / "kubeconfig").unlink()
    assert rows(cluster) == present
    nodes = cluster.kubectl("get", "nodes", "-o", "name").split()
    assert sorted(nodes) == ["node/control-1", "node/control-2", "node/control-3", "node/work-1"]


def test_in_place_the_data_of_the_backup_replaces_the_present(cluster):
    """Killed in the middle, the same command goes on."""
    add_rows(cluster, 1000, 3)
    cluster.killed_at(30, "backup", "restore", cluster.name_of_backup, "--yes")
    refused = cluster.sloth("up", "--yes", code=None)
    if refused.returncode:
        assert "backup/restore-unfinished" in refused.stderr or "locked" in refused.stderr
    data = cluster.json("backup", "restore", cluster.name_of_backup, "--yes")["data"]
    print(f"\nbackup restore in place: {data['seconds']} s")
    (cluster.folder / "kubeconfig").unlink()
    eventually(lambda: _equal(cluster))


def _equal(cluster):
    assert rows(cluster) == cluster.before


def test_the_schedule_needs_nobody_and_the_leader_makes_it(cluster):
    """A folder on each node stands for one that is mounted there."""
    nodes = ("control-1", "control-2", "control-3")
    write(cluster, 'schedule: "0 */6 * * *"')
    timers = {seen["node"]: seen for seen in cluster.json("backup", "schedule")["data"]["nodes"]}
    assert sorted(timers) == list(nodes)
    assert all(seen["active"] and seen["next"] > time.time() for seen in timers.values())
    there = f"{cluster.folder}/backups"
    for node in nodes:
        cluster.inside(node, f"mkdir -p {there} && systemctl start sloth-backup.service")
    made = [name for node in nodes for name in cluster.inside(node, f"ls {there}").split()]
    assert sorted(name.partition(".")[2] for name in made) == ["json", "tar.gz.cms"]
    seen = cluster.json("backup", "schedule")["data"]["nodes"]
    assert [each["sent"] for each in seen if each["sent"]] == [made[0].partition(".")[0]]
    assert {each["result"] for each in seen} == {"success"}
    write(cluster)
    assert not any(each["active"] for each in cluster.json("backup", "schedule")["data"]["nodes"])
    assert cluster.inside("control-2", "ls /etc/systemd/system | grep sloth-backup || true") == ""
