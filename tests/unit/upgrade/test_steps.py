"""Gates and drains, run by a real shell against a kubectl that answers from files."""

import subprocess

import pytest

from sloth.errors import KubernetesError, StepError
from sloth.model.step import Do, Result, Wait
from sloth.testing.contract import check_steps
from sloth.upgrade.drain import empty, let_in
from sloth.upgrade.gate import nodes_are_well, pause, workloads_are_well

FAKE = """#!/bin/sh
case "$*" in
*'get nodes'*) cat {folder}/nodes ;;
*'get pods'*) cat {folder}/pods ;;
*'get deployments'*) cat {folder}/workloads ;;
drain*) [ "$2" = stuck ] && {{ echo 'Cannot evict pod as it would violate the pod'"'"'s disruption budget.' >&2; exit 1; }}
  echo "$2" >>{folder}/drained ;;
*) echo "$*" >>{folder}/said ;;
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


def played(script, cordons, failing=None):
    """Steps of a script whose question is answered with `cordons`; `failing` is thrown at the drain."""
    steps = []
    try:
        wanted = next(script)
        while True:
            batch = wanted if isinstance(wanted, list) else [wanted]
            steps += batch
            if failing and any(step.title.startswith("drain") for step in batch):
                wanted, failing = script.throw(failing), None
                continue
            results = [
                Result(out=cordons if step.title.startswith("look who") else "default/db allows no disruption") for step in batch
            ]
            wanted = script.send(results if isinstance(wanted, list) else results[0])
    except StopIteration:
        return steps


def test_nodes_are_cordoned_marked_and_drained_side_by_side(kubectl, tmp_path):
    steps = played(empty(str(kubectl), ["work-1", "work-2"]), "work-1 <none> <none>\nwork-2 <none> <none>\n")
    assert check_steps(steps[1:]) == []
    for step in steps[1:]:
        assert isinstance(step, Do) and shell(step.run).returncode == 0
    said = (tmp_path / "said").read_text()
    assert "annotate nodes work-1 work-2 --overwrite sloth.dev/drained-by=upgrade" in said and "cordon work-1 work-2" in said
    assert sorted((tmp_path / "drained").read_text().split()) == ["work-1", "work-2"]
    assert "--force" not in steps[-1].run and "--disable-eviction" not in steps[-1].run


def test_a_node_that_somebody_cordoned_is_drained_and_stays_cordoned(kubectl):
    cordons = "work-1 true <none>\nwork-2 true upgrade\n"
    assert [step.title for step in played(empty(str(kubectl), ["work-1", "work-2"]), cordons)] == [
        "look who cordoned work-1, work-2", "drain work-1, work-2",
    ]  # fmt: skip
    back = played(let_in(str(kubectl), ["work-1", "work-2"]), cordons)
    assert [step.title for step in back] == ["look who cordoned work-1, work-2", "uncordon work-2"]
    assert [step.title for step in played(let_in(str(kubectl), ["work-1"]), "work-1 <none> <none>")] == [
        "look who cordoned work-1"
    ]


def test_a_drain_that_a_budget_holds_up_names_node_and_budget(kubectl):
    steps = played(empty(str(kubectl), ["work-1", "stuck"]), "work-1 <none> <none>\nstuck <none> <none>\n")
    done = shell(steps[-1].run)
    assert done.returncode != 0 and "sloth-drain-failed stuck" in done.stderr
    error = StepError("step/failed", "x", hint="y", detail=done.stderr)
    with pytest.raises(KubernetesError) as caught:
        played(empty(str(kubectl), ["work-1", "stuck"]), "", failing=error)
    assert caught.value.code == "upgrade/drain-blocked"
    assert "stuck cannot be drained: disruption budget default/db" in caught.value.summary
    assert "sloth upgrade apply --resume" in caught.value.hint


def test_a_drain_that_fails_for_another_reason_says_what_kubectl_said(kubectl):
    error = StepError(
        "step/failed", "x", hint="y", detail="sloth-drain-failed work-1\ncannot delete Pods that declare no controller"
    )
    with pytest.raises(KubernetesError) as caught:
        played(empty(str(kubectl), ["work-1"]), "", failing=error)
    assert caught.value.code == "upgrade/drain-failed" and "no controller" in caught.value.detail
