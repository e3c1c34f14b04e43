"""`sloth unlock` and the engine's locks: a living engine keeps its own, a dead one's go, of this cluster only."""

import json
import os
import socket
import subprocess
from datetime import UTC, datetime

import pytest

from sloth.adapters.pulumi import locks
from sloth.adapters.pulumi.locks import Directory, purge, sweep, unlock
from sloth.errors import StateError


@pytest.fixture
def shelf(tmp_path):
    return Directory(tmp_path)


def lock(root, project, stack, name="a", host=None, pid=0, text=None):
    path = root / ".pulumi/locks/organization" / project / stack / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    words = {"hostname": host or socket.gethostname(), "pid": pid, "username": "ci", "timestamp": "2026-01-01T00:00:00Z"}
    path.write_text(json.dumps(words) if text is None else text)
    return path


def dead():
    done = subprocess.Popen(["true"])
    done.wait()
    return done.pid


def test_locks_of_dead_engines_go_and_are_named(tmp_path, shelf):
    paths = [lock(tmp_path, "sloth-shop", "hcloud", pid=dead()), lock(tmp_path, "sloth-shop", "aws-1", host="elsewhere")]
    other = lock(tmp_path, "sloth-other", "hcloud", pid=dead())
    gone = unlock(shelf, "sloth-shop")
    assert len(gone) == 2
    assert any("ci@elsewhere" in who for who in gone)
    assert [path.exists() for path in (*paths, other)] == [False, False, True]


def test_a_living_engine_keeps_its_lock_and_nothing_else_goes(tmp_path, shelf, monkeypatch):
    monkeypatch.setattr(locks, "lives", lambda pid: pid == os.getpid())
    paths = [lock(tmp_path, "sloth-shop", "hcloud", pid=os.getpid()), lock(tmp_path, "sloth-shop", "aws", pid=dead())]
    with pytest.raises(StateError) as error:
        unlock(shelf, "sloth-shop")
    assert error.value.code == "engine/locked"
    assert str(os.getpid()) in error.value.summary
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_a_lock_that_cannot_be_read_is_nobodys(tmp_path, shelf, text):
    path = lock(tmp_path, "sloth-shop", "hcloud", text=text)
    assert unlock(shelf, "sloth-shop") == ["somebody whose lock cannot be read"]
    assert not path.exists()


def test_without_any_lock_there_is_nothing_to_do(shelf):
    assert unlock(shelf, "sloth-shop") == []


def test_only_locks_that_are_certainly_dead_are_swept(tmp_path, shelf, monkeypatch):
    monkeypatch.setattr(locks, "lives", lambda pid: pid == os.getpid())
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    fresh = json.dumps({"hostname": "elsewhere", "pid": 7, "username": "ci", "timestamp": now})
    kept = [
        lock(tmp_path, "sloth-shop", "hcloud", "living", pid=os.getpid()),
        lock(tmp_path, "sloth-shop", "hcloud", "fresh", text=fresh),
        lock(tmp_path, "sloth-shop", "hcloud", "strange", text="{"),
        lock(tmp_path, "sloth-shop", "aws", pid=dead()),
    ]
    gone = [lock(tmp_path, "sloth-shop", "hcloud", "dead", pid=dead()), lock(tmp_path, "sloth-shop", "hcloud", host="elsewhere")]
    assert len(sweep(shelf, "sloth-shop", "hcloud")) == 2
    assert [path.exists() for path in (*kept, *gone)] == [True] * 4 + [False] * 2


def test_what_is_kept_of_stacks_that_are_gone_is_deleted_and_of_no_others(tmp_path, shelf):
    def put(path):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
        return tmp_path / path

    gone = [put(f".pulumi/{kind}/sloth-shop/hcloud/a.json") for kind in ("history", "backups")]
    gone.append(put(".pulumi/stacks/sloth-shop/hcloud.json.bak"))
    others = [put(f".pulumi/{kind}/sloth-other/hcloud/a.json") for kind in ("history", "backups", "stacks")]
    assert purge(shelf, "sloth-shop") == 3
    assert [path.exists() for path in (*gone, *others)] == [False] * 3 + [True] * 3
    alive = [put(".pulumi/stacks/sloth-shop/aws.json"), put(".pulumi/history/sloth-shop/aws/a.json")]
    assert purge(shelf, "sloth-shop") == 0
    assert all(path.exists() for path in alive)
