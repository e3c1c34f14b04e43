"""Ctrl-C, killed engines and locks, with the real engine: nothing is made twice, nothing is lost."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sloth.adapters.pulumi import holders, supervise
from sloth.errors import Interrupted
from tests.clouds.adapter.world import PASSPHRASE, TOKEN, USER_DATA, aside, failing, until


class Held:
    """Holds the creates of servers at the cloud until `go`."""

    def __init__(self, world):
        self.come, self.go = threading.Event(), threading.Event()
        world.on_create = self

    def __call__(self, name, made):
        if made and not name.endswith("-network") and "-" in name:
            self.come.set()
            assert self.go.wait(60)


def no_server_twice(world):
    world.on_create = lambda name, made: None
    world.up()
    assert world.servers() == world.names
    births = [call.name for call in world.fake.calls if call.method == "Create" and call.name in world.names and not call.refused]
    assert len(births) == len(set(births))
    assert world.locks() == []
    state = json.loads(next((world.state / ".pulumi" / "stacks").rglob("hcloud.json")).read_text())
    assert not state["checkpoint"]["latest"].get("pending_operations")
    world.calls()
    world.up()
    assert world.calls() == []


def test_the_first_interrupt_lets_what_is_in_flight_finish_and_saves_it(world):
    held = Held(world)
    thread, answers = aside(world.up)
    assert held.come.wait(60)
    world.stop.request()
    until(lambda: world.engine.command.signals)
    held.go.set()
    thread.join(60)
    assert isinstance(answers[0], Interrupted)
    assert (answers[0].code, answers[0].exit) == ("run/interrupted", 130)
    assert world.locks() == []
    begun = world.servers()
    assert begun
    no_server_twice(world)
    assert [event.title for event in world.events if "taking over" in event.title] == []


def test_the_second_interrupt_ends_it_now_and_the_next_run_takes_over(world, monkeypatch):
    monkeypatch.setattr(supervise, "LAST", 5.0)
    held = Held(world)
    thread, answers = aside(world.up)
    assert held.come.wait(60)
    world.stop.request()
    until(lambda: world.engine.command.signals)
    world.stop.insisted = True
    thread.join(60)
    assert isinstance(answers[0], Interrupted)
    assert world.pids() == []
    held.go.set()
    world.settled()
    no_server_twice(world)


@pytest.mark.parametrize(("name", "made"), [("network", False), ("subnet", True), ("work-2", True)])
def test_a_killed_engine_leaves_nothing_that_the_next_run_makes_again(world, name, made):
    def kill(what, is_made):
        if (what, is_made) == (name, made):
            world.kill()

    world.on_create = kill
    error = failing(world.up)
    assert error.exit == 12
    world.settled()
    no_server_twice(world)


def test_an_engine_that_is_killed_while_it_deletes(world):
    world.begin()
    world.fake.delete = killing(world, world.fake.delete)
    failing(world.down)
    world.settled()
    assert world.down() == []
    assert world.fake.items == {}
    assert world.locks() == []


def killing(world, delete):
    """The fake's delete; the third one ends the engine first."""
    left = [2]

    def work(token, ident):
        left[0] -= 1
        if left[0] == 0:
            world.kill()
        delete(token, ident)

    return work


def lock(world, pid, host=""):
    """A lock as the engine writes it."""
    folder = world.state / ".pulumi" / "locks" / "organization" / "sloth-shop" / "hcloud"
    folder.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    text = {"pid": pid, "username": "ann", "hostname": host or socket.gethostname(), "timestamp": at}
    (folder / "5c5fbd40-3c4d-4a9a-8f3e-6b6a1f0a7a11.json").write_text(json.dumps(text))


def gone():
    """A process id that nobody has any more."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_the_lock_of_a_dead_run_is_taken_over(world):
    """Also where it died before there was a stack to unlock."""
    for count in (2, 3):
        lock(world, gone())
        world.work = count
        world.up()
        assert any("took over the lock of a run that is dead (ann@" in event.title for event in world.events)
        assert world.locks() == []


def test_a_living_run_is_waited_for(world, tmp_path):
    engine = shutil.copy(shutil.which("sleep"), tmp_path / "pulumi")
    with subprocess.Popen([engine, "600"]) as other:
        lock(world, other.pid)
        thread, answers = aside(world.up)
        until(lambda: any("waiting for another run to finish" in event.title for event in list(world.events)) or answers)
        other.kill()
    thread.join(60)
    assert [machine.name for machine in answers[0]] == world.names


def test_a_run_that_does_not_end_or_works_elsewhere_is_named(world, monkeypatch):
    monkeypatch.setattr(holders, "PATIENCE", 0.0)
    lock(world, 1, host="another-host")
    error = failing(world.up)
    assert (error.code, error.exit) == ("engine/locked", 16)
    assert "ann@another-host, process 1" in error.summary
    assert error.hint.endswith("sloth unlock")
    assert world.servers() == []


def test_secrets_are_in_no_file_and_no_argument(world):
    """Not after a run that went well, nor after one that was killed, nor while it runs."""
    seen = []

    def look(name, made):
        seen.extend(Path(f"/proc/{pid}/cmdline").read_text() for pid in world.pids())
        if name == "work-2" and made:
            world.kill()

    world.on_create = look
    failing(world.up)
    world.settled()
    files = world.files()
    no_server_twice(world)
    assert any("--client=" in line for line in seen)
    files |= {f"again/{path}": text for path, text in world.files().items()}
    assert any("stacks" in path for path in files)
    assert any("history" in path for path in files)
    secrets = [TOKEN, PASSPHRASE, *USER_DATA.split("\n")[1:2]]
    assert all(len(secret) > 8 for secret in secrets)
    assert [path for path, text in files.items() if any(secret in text for secret in secrets)] == []
    assert [line for line in seen if any(secret in line for secret in secrets)] == []
    texts = [f"{event.title} {event.detail}" for event in world.events]
    assert [text for text in texts if any(secret in text for secret in secrets)] == []
