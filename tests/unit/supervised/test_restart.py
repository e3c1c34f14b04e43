"""The script that restarts servers one at a time, run for real beside small fakes of kubectl, systemctl, curl and the clock."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .clusters import K3S, cluster, files

SCRIPT = "/usr/local/lib/sloth/restart-server"
# The lock is a folder, as atomic as `kubectl create`; each call is noted.
KUBECTL = """#!/bin/sh
while :; do case "$1" in --kubeconfig|--server|--cache-dir|-n) shift 2 ;; *) break ;; esac; done
echo "kubectl $*" >>"$WORLD/log"
[ -e "$WORLD/down" ] && exit 1
case "$1 $2" in
'get --raw') echo ok ;;
'create configmap') mkdir "$WORLD/lock" 2>/dev/null && echo "${4#*node=}" >"$WORLD/lock/node" ;;
'get configmap') cat "$WORLD/lock/$(expr "$5" : '.*data\\.\\([a-z]*\\)')" 2>/dev/null; [ -e "$WORLD/lock" ] ;;
'get node') [ -e "$WORLD/nodes/$3" ] && echo "node/$3"; exit 0 ;;
'patch configmap') case "$*" in *null*) rm -f "$WORLD/lock/failed" ;; *) echo yes >"$WORLD/lock/failed" ;; esac ;;
'delete configmap') rm -rf "$WORLD/lock" ;;
*) exit 9 ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$WORLD/log"
case "$1" in
is-active) [ -e "$WORLD/active" ] ;;
restart) [ ! -e "$WORLD/works" ] || echo sum >"$WORLD/loaded" ;;
esac
"""
# `$WORLD/etcd`: one line for each member, `well` or `ill`.
ETCDCTL = """#!/bin/sh
case "$1 $2" in
'member list') n=0; while read -r _; do n=$((n + 1)); echo "a$n, started, n$n, https://h$n:2380, https://h$n:2379, false"
  done <"$WORLD/etcd" ;;
'endpoint health') for word; do case $word in --endpoints=*) n=${word%:2379}; n=${n##*/h} ;; esac; done
  [ "$(sed -n ${n}p "$WORLD/etcd")" = well ] && echo '[{"endpoint":"x","health":true,"took":"1ms"}]' ;;
*) exit 9 ;;
esac
"""
CURL = """#!/bin/sh
[ -e "$WORLD/works" ] && printf ok
"""
SLEEP = """#!/bin/sh
echo $(($(cat "$WORLD/clock") + $1)) >"$WORLD/clock"
[ ! -e "$WORLD/after" ] || . "$WORLD/after"
"""
DATE = """#!/bin/sh
cat "$WORLD/clock"
"""


class World:
    """A server whose supervisor is to be restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin_dir = folder / "bin"
        bin_dir.mkdir()
        tools = {"kubectl": KUBECTL, "systemctl": SYSTEMCTL, "curl": CURL, "etcdctl": ETCDCTL, "sleep": SLEEP, "date": DATE}
        for name, text in {**tools, "timeout": '#!/bin/sh\nshift\nexec "$@"\n'}.items():
            (bin_dir / name).write_text(text)
            (bin_dir / name).chmod(0o755)
        (folder / "clock").write_text("0")
        (folder / "nodes").mkdir()
        self.has("works", "active", "nodes/control-1", "nodes/control-2")
        self.has("etcd", text="well\nwell\nwell\n")

    def has(self, *names: str, text: str = "") -> None:
        for name in names:
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(text)

    def lacks(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    def run(self, mode: str = "must") -> subprocess.CompletedProcess[str]:
        script = files(K3S, cluster(K3S, 3, 1))[SCRIPT].replace("/run/sloth/$unit.loaded", f"{self.folder}/loaded")
        environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "WORLD": str(self.folder)}
        return subprocess.run(
            ["sh", "-s", "--", mode], input=script, text=True, capture_output=True, env=environment, check=False, timeout=60
        )

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()

    @property
    def seconds(self) -> int:
        return int((self.folder / "clock").read_text())

    def index(self, start: str) -> int:
        return next(index for index, line in enumerate(self.log) if line.startswith(start))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_lock_is_taken_before_and_given_back_after_the_restart(world: World) -> None:
    assert world.run().returncode == 0
    assert world.index("kubectl create configmap") < world.index("systemctl restart") < world.index("kubectl delete configmap")
    assert not (world.folder / "lock").exists()


def test_a_server_that_does_not_run_is_started_without_asking(world: World) -> None:
    world.lacks("active")
    assert world.run().returncode == 0 and not [line for line in world.log if "create" in line]


def test_without_any_api_there_is_no_lock_to_take_and_nothing_to_lose(world: World) -> None:
    world.has("down")
    world.has("after", text='rm -f "$WORLD/down"\n')
    assert world.run().returncode == 0
    assert "systemctl restart --no-block k3s" in world.log and not [line for line in world.log if "create" in line]


def test_it_waits_while_another_server_restarts(world: World) -> None:
    world.has("lock/node", text="control-2")
    world.has(
        "after",
        text='[ "$(cat "$WORLD/clock")" -lt 40 ] || [ -e "$WORLD/given" ] || { touch "$WORLD/given"; rm -rf "$WORLD/lock"; }\n',
    )
    assert world.run().returncode == 0 and world.seconds >= 40
    assert not (world.folder / "lock").exists()


def test_its_own_lock_of_a_killed_run_is_its_own(world: World) -> None:
    world.has("lock/node", text="control-1")
    world.has("lock/failed", text="yes")
    assert world.run().returncode == 0 and world.seconds < 10


def test_the_lock_of_a_node_that_left_the_cluster_is_nobodys(world: World) -> None:
    world.has("lock/node", text="control-9")
    assert world.run().returncode == 0 and world.seconds < 10


def test_a_configuration_that_does_not_come_up_stops_one_server_only(world: World) -> None:
    world.lacks("works")
    done = world.run()
    assert done.returncode == 1 and "did not come up again" in done.stderr and 300 <= world.seconds < 400
    assert (world.folder / "lock/failed").read_text() == "yes\n", "others see that they must not go on"


def test_others_stop_soon_when_one_did_not_come_back_and_restart_nothing(world: World) -> None:
    world.has("lock/node", text="control-2")
    world.has("lock/failed", text="yes")
    done = world.run()
    assert done.returncode == 1 and "control-2 has not come back" in done.stderr and world.seconds < 120
    assert not [line for line in world.log if line.startswith("systemctl restart")]
    assert (world.folder / "lock/node").read_text() == "control-2"


def test_a_failure_of_an_earlier_run_that_is_tried_again_is_no_reason_to_stop(world: World) -> None:
    world.has("lock/node", text="control-2")
    world.has("lock/failed", text="yes")
    world.has(
        "after",
        text='[ "$(cat "$WORLD/clock")" -lt 10 ] || rm -f "$WORLD/lock/failed"\n'
        '[ "$(cat "$WORLD/clock")" -lt 100 ] || [ -e "$WORLD/given" ] || { touch "$WORLD/given"; rm -rf "$WORLD/lock"; }\n',
    )
    assert world.run().returncode == 0 and world.seconds >= 100


@pytest.mark.parametrize(
    ("members", "spared"),
    [("well", True), ("well well", True), ("well ill", False), ("well well well", True), ("well well ill", False),
     ("well well well ill", False), ("well ill well well well", True), ("well well well ill ill", False)],
)  # fmt: skip
def test_a_server_that_etcd_cannot_spare_is_not_restarted(world: World, members: str, spared: bool) -> None:
    world.has("etcd", text="".join(f"{each}\n" for each in members.split()))
    done = world.run()
    assert (done.returncode == 0) == spared
    assert any(line.startswith("systemctl restart") for line in world.log) == spared
    assert not (world.folder / "lock").exists(), "others may have their turn"
    if not spared:
        voting, well = len(members.split()), members.split().count("well")
        assert f"{voting} voting members of etcd, {well} healthy, {voting // 2 + 1} needed without it" in done.stderr


def test_a_try_that_is_refused_is_no_failure(world: World) -> None:
    world.has("etcd", text="well\nwell\nill\n")
    done = world.run("try")
    assert done.returncode == 0 and "is not restarted" in done.stderr
    assert not any(line.startswith("systemctl restart") for line in world.log)


def test_a_server_that_is_down_is_started_whatever_etcd_says(world: World) -> None:
    world.has("etcd", text="ill\nill\nwell\n")
    world.lacks("active")
    assert world.run("try").returncode == 0
    assert any(line.startswith("systemctl restart") for line in world.log)
