"""Steps on real shells: what they leave on a disk, and that they ask before they change."""

import os
import stat
import subprocess
from dataclasses import replace

import pytest

from sloth.etcd.access import EtcdAccess
from sloth.etcd.members import Member
from sloth.etcd.steps import ask_members, look, members_of, remove_member, room, snapshot, wait_healthy
from sloth.model.step import Ask, Result
from sloth.testing.contract import check_steps
from tests.unit.distributions.kubeadm.clusters import cluster
from tests.unit.distributions.kubeadm.run import run

ACCESS = EtcdAccess(cacert="/ca", cert="/cert", key="/key", data_dir="/var/lib/etcd")
LEAVING = Member(id="a2", name="control-2", peers=("https://10.90.0.2:2380",))


@pytest.fixture
def shell(tmp_path):
    """Runs shell text with an `etcdctl` of our own: `shell(text, what etcdctl does)`."""
    tools = tmp_path / "bin"
    tools.mkdir()

    def run_text(text, etcdctl):
        tool = tools / "etcdctl"
        tool.write_text(f"#!/bin/sh\n{etcdctl}\n")
        tool.chmod(0o755)
        env = {"PATH": f"{tools}:{os.environ['PATH']}"}
        return subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True, check=False)

    return run_text


def saved(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_snapshot_is_private_and_only_the_last_ones_stay(tmp_path, shell):
    folder = tmp_path / "snapshots"
    folder.mkdir(mode=0o755)
    old = [f"2025010{day}T000000Z-before-removal.db" for day in range(1, 7)]
    for name in (*old, "20240101T000000Z-scheduled.db"):
        (folder / name).write_text("old")
    step = snapshot(ACCESS, "10.90.0.1", "before-removal", folder=str(folder), kept=3)
    done = shell(step.run, 'echo data >"$3"')
    assert done.returncode == 0, done.stderr
    new = done.stdout.strip()
    assert saved(folder) == sorted([*old[-2:], os.path.basename(new), "20240101T000000Z-scheduled.db"])
    assert stat.S_IMODE(os.stat(new).st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_snapshot_that_fails_leaves_nothing_and_deletes_nothing(tmp_path, shell):
    folder = tmp_path / "snapshots"
    folder.mkdir()
    for day in range(1, 9):
        (folder / f"2025010{day}T000000Z-before-removal.db").write_text("old")
    before = saved(folder)
    step = snapshot(ACCESS, "10.90.0.1", "before-removal", folder=str(folder), kept=3)
    done = shell(step.run, 'echo half >"$3.part"; echo "no space left on device" >&2; exit 1')
    assert done.returncode != 0
    assert saved(folder) == before


def test_only_the_node_itself_is_asked_for_a_snapshot():
    assert "--endpoints=https://10.90.0.1:2379 " in snapshot(ACCESS, "10.90.0.1", "x").run


@pytest.mark.parametrize(("listed", "gone"), [("a1, started", True), ("a1, started\na2, started", False), ("exit 1", False)])
def test_a_member_that_is_gone_is_not_removed_again(shell, listed, gone):
    step = remove_member(ACCESS, LEAVING, ["10.90.0.1"])
    says = listed if listed.startswith("exit") else f"printf '{listed}\\n'"
    assert (shell(step.unless, says).returncode == 0) is gone
    assert step.run.startswith("etcdctl member remove a2 --endpoints=https://10.90.0.1:2379 ")


def test_the_list_comes_also_without_a_majority_and_from_another_member(shell):
    first, *_ = ask_members(ACCESS, "10.90.0.1", ["10.90.0.1", "10.90.0.2"])
    assert "--consistency=s" in first.run
    answered = shell(first.run, 'case "$*" in *10.90.0.2*) echo listed ;; *) exit 1 ;; esac')
    assert answered.stdout == "listed\n"


def test_only_started_members_are_asked_how_they_are(shell):
    listed = (
        "a1, started, x, https://10.90.0.1:2380, https://10.90.0.1:2379, false\\na2, unstarted, , https://10.90.0.2:2380, , true"
    )
    both = listed + "\\na3, started, y, https://10.90.0.3:2380, https://10.90.0.3:2379, false"
    _, health, status = ask_members(ACCESS, "10.90.0.1", ["10.90.0.1", "10.90.0.2", "10.90.0.3", "10.90.0.4"])
    tool = f'case "$*" in member*) printf \'{both}\\n\' ;; *) echo "$*" ;; esac'
    for question, text in (("health", health.run), ("status", status.run)):
        asked = sorted(shell(text, tool).stdout.splitlines())
        assert [line.split(" --cacert")[0] for line in asked] == [
            f"endpoint {question} -w json --endpoints=https://10.90.0.{n}:2379" for n in (1, 3)
        ]
    assert shell(health.run, "exit 1").stdout == "", "nobody is a member, nobody is asked"


def test_questions_are_questions_and_say_what_they_are():
    steps = [
        *ask_members(ACCESS, "10.90.0.1", ["10.90.0.2"]),
        remove_member(ACCESS, LEAVING, ["10.90.0.1"]),
        snapshot(ACCESS, "10.90.0.1", "x"),
        wait_healthy(ACCESS, "10.90.0.1", "control-1"),
    ]
    assert check_steps(steps) == []
    assert sum(isinstance(step, Ask) for step in steps) == 3


def test_the_unit_that_runs_the_member_is_named_when_it_does_not_come_up():
    access = replace(ACCESS, unit="k3s")
    assert wait_healthy(access, "10.90.0.1", "control-1").hint == "sloth ssh control-1 -- journalctl -u k3s -n 50"


def test_members_are_looked_at_in_one_round_trip_under_their_nodes_names():
    of = cluster(2)
    listed = "a1, started, x, https://10.90.0.1:2380, https://10.90.0.1:2379, false"
    health = Result(exit=1, out='[{"endpoint": "https://10.90.0.1:2379", "health": true}]')
    done = run(look(ACCESS, of.nodes[0], of), {"list etcd members": listed, "ask etcd members for health": health})
    assert len(done.trips) == 1
    assert [(each.name, each.healthy) for each in done.value] == [("control-1", True)]
    assert members_of([Result(), Result(), Result()], ACCESS, {}) == []
    assert replace(done.value[0], name="").label == "https://10.90.0.1:2380"


@pytest.mark.parametrize(("size", "free", "fits"), [(40 << 20, 50_000, True), (40 << 20, 41_000, False), (None, 2000, True)])
def test_room_for_a_snapshot_is_looked_for_where_it_will_be(tmp_path, size, free, fits):
    """Of the folder that is there already: it and its parents may still be missing."""
    data = tmp_path / "etcd"
    if size is not None:
        (data / "member/snap").mkdir(parents=True)
        with (data / "member/snap/db").open("wb") as file:
            file.truncate(size)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "df").write_text(f'#!/bin/sh\n[ "$2" = {tmp_path} ] && printf "head\\n/dev/x 1 1 {free} 1%% /\\n"\n')
    (tools / "df").chmod(0o755)
    ask = room(replace(ACCESS, data_dir=str(data)), folder=f"{tmp_path}/sloth/snapshots")
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", ask.run], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is fits
    assert fits or "No space left on device" in done.stderr
