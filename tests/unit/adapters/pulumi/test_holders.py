"""Who holds the engine's lock."""

from __future__ import annotations

import shutil
import socket
import subprocess
from datetime import UTC, datetime

import pytest

from sloth.adapters.pulumi import holders as module
from sloth.adapters.pulumi.holders import Holders
from sloth.errors import StateError

HOST = socket.gethostname()
HEAD = "error: the stack is currently locked by {} lock(s). Either wait for the other process(es) to end or delete the lock file."
AT, LONG_AGO = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "2026-01-02T03:04:05Z"


def text(*holders, at=AT):
    """The engine's message: (host, pid) of each lock."""
    lines = [
        f"  file:///home/ann/.pulumi/locks/organization/p/s/{n}.json?no_tmp_dir=true: created by ann@{host} (pid {pid}) at {at}"
        for n, (host, pid) in enumerate(holders)
    ]
    return "\n".join([HEAD.format(len(holders)), *lines])


@pytest.fixture
def dead():
    with subprocess.Popen(["true"]) as process:
        return process.pid


@pytest.fixture
def engine(tmp_path):
    """The process id of something that is called as the engine is."""
    with subprocess.Popen([shutil.copy(shutil.which("sleep"), tmp_path / "pulumi-v3.1"), "600"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def said():
    return []


def test_a_dead_runs_lock_may_go_and_that_is_told(dead, said):
    assert Holders("toy", said.append).gone(text((HOST, dead)))
    assert [event.title for event in said] == [
        f"toy: took over the lock of a run that is dead (ann@{HOST}, process {dead}, since {AT})"
    ]


def test_a_zombie_and_another_program_under_that_number_are_no_holders(said):
    zombie = subprocess.Popen(["true"])
    with open(f"/proc/{zombie.pid}/stat") as stat:
        while "Z" not in stat.read().rpartition(")")[2].split()[0]:
            stat.seek(0)
    try:
        assert Holders("toy", said.append).gone(text((HOST, zombie.pid)))
    finally:
        zombie.wait()
    with subprocess.Popen(["sleep", "600"]) as other:
        assert Holders("toy", said.append).gone(text((HOST, other.pid)))
        other.kill()


def test_a_living_run_is_waited_for_and_told_of_once(engine, said, monkeypatch):
    naps = []
    monkeypatch.setattr(module.time, "sleep", naps.append)
    holders = Holders("toy", said.append)
    assert not holders.gone(text((HOST, engine)))
    assert not holders.gone(text((HOST, engine)))
    assert len(naps) == 2
    assert [event.title for event in said] == [
        f"toy: waiting for another run to finish (ann@{HOST}, process {engine}, since {AT})"
    ]


def test_one_dead_and_one_living_are_not_gone(dead, engine, said, monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    assert not Holders("toy", said.append).gone(text((HOST, dead), (HOST, engine)))


def test_patience_ends(engine, said):
    with pytest.raises(StateError) as caught:
        Holders("toy", said.append, patience=-1).gone(text((HOST, engine)))
    assert (caught.value.code, caught.value.exit) == ("engine/locked", 16)
    assert f"process {engine}" in caught.value.summary
    assert caught.value.hint.endswith("sloth unlock")


def test_another_machines_run_is_named_at_once(dead, said):
    for holders in ([("elsewhere", dead)], [("elsewhere", dead), (HOST, dead)]):
        with pytest.raises(StateError) as caught:
            Holders("toy", said.append).gone(text(*holders))
        assert f"ann@elsewhere, process {dead}" in caught.value.summary
    assert said == []


def test_another_machines_lock_does_not_count_for_ever(dead, engine, said, monkeypatch):
    assert Holders("toy", said.append).gone(text(("elsewhere", dead), at=LONG_AGO))
    assert "ann@elsewhere" in said[0].title
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    assert not Holders("toy", said.append).gone(text(("elsewhere", dead), (HOST, engine), at=LONG_AGO))
    assert not module.abandoned("some time ago")


def test_a_text_that_nobody_can_read_is_shown(said):
    with pytest.raises(StateError) as caught:
        Holders("toy", said.append).gone("[409] Conflict: Another update is currently in progress.")
    assert "another run" in caught.value.summary
    assert "[409] Conflict" in caught.value.detail


def test_lock_files_of_this_machine_can_be_forgotten(tmp_path, said):
    folder = tmp_path / "a folder" / ".pulumi" / "locks" / "organization" / "p" / "s"
    folder.mkdir(parents=True)
    (folder / "0.json").write_text("{}")
    (folder / "1.json").write_text("{}")
    url = f"file://{str(folder).replace(' ', '%20')}/0.json"
    Holders("toy", said.append).forget(f"error: locked\n  {url}?no_tmp_dir=true: created by ann@{HOST} (pid 1) at {AT}")
    assert [path.name for path in folder.iterdir()] == ["1.json"]
    with pytest.raises(StateError) as caught:
        Holders("toy", said.append).forget(f"  s3://bucket/.pulumi/locks/x/1.json: created by ann@{HOST} (pid 1) at {AT}")
    assert "s3://bucket/.pulumi/locks/x/1.json" in caught.value.detail
