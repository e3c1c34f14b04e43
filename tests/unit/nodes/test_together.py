"""Many nodes at once, as an upgrade takes them: held, drained side by side, released; run by a real shell."""

import subprocess

import pytest

from sloth.errors import StepError
from sloth.nodes.cordon import hold_all, release_all
from sloth.nodes.drain import drain_all
from sloth.testing.contract import check_steps
from tests.unit.distributions.kubeadm.run import run

FAKE = """#!/bin/sh
case "$*" in
drain*) [ "$2" = stuck ] && { echo "evicting pods" >&2; echo "would violate the pod's disruption budget" >&2; exit 1; }
  echo "$*" >>drained ;;
*) echo "$*" >>said ;;
esac
"""
BOTH = {"work-1": 90.0, "work-2": 600.0}


@pytest.fixture
def shell(tmp_path):
    """Runs a text with a kubectl of our own; answers how it ended, and what it said."""
    (tmp_path / "kubectl").write_text(FAKE)
    (tmp_path / "kubectl").chmod(0o755)
    return lambda text: subprocess.run(["sh", "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)


def test_nodes_are_held_and_drained_side_by_side_each_in_its_own_time(shell, tmp_path):
    held, drained = run(hold_all(list(BOTH), "./kubectl", "upgrade")), run(drain_all(BOTH, "./kubectl"))
    assert check_steps([*held.steps[1:], *drained.steps]) == []
    for text in (held.text("cordon work-1, work-2"), drained.text("drain work-1, work-2")):
        assert shell(text).returncode == 0
    said = (tmp_path / "said").read_text()
    assert "annotate nodes work-1 work-2 --overwrite sloth.dev/cordoned=upgrade" in said and "cordon work-1 work-2" in said
    lines = sorted((tmp_path / "drained").read_text().splitlines())
    assert [line.split()[1] for line in lines] == ["work-1", "work-2"]
    assert "--timeout=90s" in lines[0] and "--timeout=600s" in lines[1]
    assert not any("--force" in line or "--disable-eviction" in line for line in lines)
    step = drained.steps[-1]
    assert step.timeout > 600, "the slowest one decides"


def test_seventeen_nodes_have_time_for_two_rounds_of_sixteen():
    _, one = run(drain_all({f"work-{n}": 100.0 for n in range(16)}, "kubectl")).steps
    _, two = run(drain_all({f"work-{n}": 100.0 for n in range(17)}, "kubectl")).steps
    assert (one.timeout, two.timeout) == (130.0, 230.0)


def test_a_single_node_is_drained_by_a_plain_command():
    assert run(drain_all({"work-1": 90.0}, "kubectl")).text("drain work-1").startswith("kubectl drain work-1 ")


def test_what_somebody_else_cordoned_stays_cordoned():
    look = {"look who cordoned work-1, work-2": "work-1 true <none>\nwork-2 true upgrade\n"}
    assert run(hold_all(list(BOTH), "kubectl", "upgrade"), look).titles == list(look)
    assert run(release_all(list(BOTH), "kubectl"), look).titles == [*look, "uncordon work-2"]
    free = {"look who cordoned work-1, work-2": "work-1 <none> <none>\nwork-2 <none> <none>\n"}
    assert run(release_all(list(BOTH), "kubectl"), free).titles == list(free)


def test_what_a_reboot_left_cordoned_is_the_upgrade_s_from_then_on():
    look = {"look who cordoned work-1": "work-1 true reboot\n"}
    held = run(hold_all(["work-1"], "kubectl", "upgrade"), look)
    assert "sloth.dev/cordoned=upgrade" in held.text("cordon work-1")
    assert run(release_all(["work-1"], "kubectl"), look).titles[-1] == "uncordon work-1"


def test_the_node_that_could_not_be_drained_is_named_with_its_budget_and_owner(shell):
    nodes = {"work-1": 90.0, "stuck": 90.0}
    ended = shell(run(drain_all(nodes, "./kubectl")).text("drain work-1, stuck"))
    assert ended.returncode != 0
    seen = {
        "drain work-1, stuck": StepError("step/failed", "x", hint="y", detail=ended.stderr),
        "list the pods on stuck": 'shop\tweb-7f9c-x\t{"app":"web","pod-template-hash":"7f9c"}\tReplicaSet\tweb-7f9c\tRunning',
        "list the disruption budgets": 'shop\tweb\t{"matchLabels":{"app":"web"}}\t0\t1\t1',
    }
    error = run(drain_all(nodes, "./kubectl", then="sloth upgrade apply --resume"), seen).error
    assert (error.code, error.where) == ("node/drain-blocked", "stuck")
    assert "stuck cannot be drained: disruption budget shop/web lets no pod of Deployment/web go" in error.summary
    assert error.hint.endswith("sloth nodes drain stuck --force-budget shop/web; then sloth upgrade apply --resume")
    assert "would violate" in error.detail


def test_all_that_could_not_be_drained_are_named():
    names = {f"work-{n}": 90.0 for n in range(1, 4)}
    detail = "sloth-drain-failed work-2\nsloth-drain-failed work-3"
    error = run(
        drain_all(names, "kubectl"), {"drain work-1, work-2, work-3": StepError("a/b", "x", hint="y", detail=detail)}
    ).error
    assert (error.code, error.where) == ("node/drain-failed", "work-2")
    assert "work-2 cannot be drained (nor work-3); they stay cordoned" in error.summary
    assert "not drained either: work-3" in error.detail
