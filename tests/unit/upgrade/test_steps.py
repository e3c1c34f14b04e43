"""Gates, run by a real shell against a kubectl that answers from files."""

import subprocess

import pytest

from sloth.model.step import Wait
from sloth.upgrade.gate import nodes_are_well, pause, workloads_are_well

FAKE = """#!/bin/sh
case "$*" in
*'get nodes'*) cat {folder}/nodes ;;
*'get pods'*) cat {folder}/pods ;;
*'get deployments'*) cat {folder}/workloads ;;
esac
"""


@pytest.fixture
def kubectl(tmp_path):
    fake = tmp_path / "kubectl"
    fake.write_text(FAKE.format(folder=tmp_path))
    fake.chmod(0o755)
    for name in ("nodes", "pods", "workloads"):
        (tmp_path / name).write_text("")
    return fake


def shell(text):
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)


def holds(wait: Wait) -> bool:
    return shell(wait.until).returncode == 0


PODS = "work-1 kube-proxy-a Running true\nwork-1 done Succeeded false\nwork-2 x Pending <none>\n"


@pytest.mark.parametrize(
    ("nodes", "pods", "etcd", "well"),
    [
        ("work-1 v1.36.3 True\n", PODS, "", True),
        ("work-1 v1.36.3 True\n", PODS, "true", True),
        ("work-1 v1.36.3 True\n", PODS, "false", False),
        ("work-1 v1.35.4 True\n", PODS, "", False),
        ("work-1 v1.36.3 False\n", PODS, "", False),
        ("", PODS, "", False),
        ("work-1 v1.36.3 True\n", PODS + "work-1 new Pending <none>\n", "", False),
        ("work-1 v1.36.3 True\n", PODS + "work-1 two Running true,false\n", "", False),
        ("work-1 v1.36.3 True\n", PODS + "work-1 three Running true,true\n", "", True),
    ],
)
def test_a_node_is_well_when_it_is_ready_at_the_version_with_its_system_pods(kubectl, tmp_path, nodes, pods, etcd, well):
    (tmp_path / "nodes").write_text(nodes)
    (tmp_path / "pods").write_text(pods)
    assert holds(nodes_are_well(str(kubectl), ["work-1"], "v1.36.3", etcd)) == well


def test_all_nodes_of_a_batch_must_be_well_and_the_evidence_says_who_is_not(kubectl, tmp_path):
    (tmp_path / "nodes").write_text("work-1 v1.36.3 True\nwork-2 v1.35.4 True\n")
    (tmp_path / "pods").write_text(PODS)
    wait = nodes_are_well(str(kubectl), ["work-1", "work-2"], "v1.36.3")
    assert not holds(wait)
    evidence = shell(wait.diagnose).stdout
    assert "work-2 v1.35.4 True" in evidence and "work-2 x Pending" in evidence
    assert not holds(nodes_are_well("false", ["work-1"], "v1.36.3")), "a kubectl that fails proves nothing"


@pytest.mark.parametrize(
    ("workloads", "failing", "total", "well"),
    [
        ("Deployment a x 3 3 <none> <none>\nDaemonSet a y <none> <none> 2 2\n", 0, 2, True),
        ("Deployment a x 3 2 <none> <none>\n", 0, 1, False),
        ("DaemonSet a y <none> <none> 2 1\n", 0, 1, False),
        ("Deployment a x 3 <none> <none> <none>\n", 0, 1, False),
        ("Deployment a x 0 <none> <none> <none>\n", 0, 1, True),
        ("Deployment kube-system x 3 1 <none> <none>\n", 0, 1, True),
        ("Deployment a x 3 2 <none> <none>\nDeployment a y 1 1 <none> <none>\n", 1, 2, True),
        ("Deployment a x 3 2 <none> <none>\nDeployment a y 1 1 <none> <none>\n", 1, 3, False),
        ("", 0, 0, True),
    ],
)
def test_the_share_of_failing_workloads_must_not_rise(kubectl, tmp_path, workloads, failing, total, well):
    (tmp_path / "workloads").write_text(workloads)
    wait = workloads_are_well(str(kubectl), failing, total)
    assert holds(wait) == well
    if not well:
        assert "pods ready" in shell(wait.diagnose).stdout and f"{failing} of {total}" in shell(wait.diagnose).stdout


def test_a_pause_is_cut_into_pieces():
    assert [wait.until for wait in pause(12)] == ["sleep 5", "sleep 5", "sleep 2"]
    assert pause(0) == []
