"""The lock: exactly one wins, dead owners are replaced, living ones are not."""

from __future__ import annotations

import getpass
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.adapters import lock_file, owner
from sloth.adapters.durable import guarded
from sloth.adapters.owner import Owner, parse_owner, process_start, this_process
from sloth.adapters.passphrase import KEY_PREFIX
from sloth.adapters.state_file import StateFile
from sloth.errors import StateError
from sloth.model.record import Record
from sloth.model.secret import Secret

KEY = Secret(KEY_PREFIX + "k" * 43)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFile]:
    state = StateFile(tmp_path, "demo", lambda: KEY)
    yield state
    state.unlock()


def another(state: StateFile) -> StateFile:
    return StateFile(state.folder.parent.parent, "demo", lambda: KEY)


def refused(work: Callable[[], object]) -> StateError:
    with pytest.raises(StateError) as caught:
        work()
    assert caught.value.hint
    return caught.value


def put(state: StateFile, held: Owner) -> None:
    state.folder.mkdir(parents=True, exist_ok=True)
    (state.folder / "lock").write_bytes(held.as_json())


def elsewhere(age: float = 0.0) -> Owner:
    """An owner on another host, whose last heartbeat was `age` seconds ago."""
    now = time.time()
    return replace(this_process("down"), host="far-away", place="other boot", since=now - 500, heartbeat=now - age)


def gone() -> Owner:
    """An owner on this host whose process has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held = replace(this_process("up"), pid=child.pid, started=process_start(child.pid))
    assert held.state() == "alive"
    child.communicate(b"\n")
    return held


def python(program: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


HEAD = """
import os, sys, time
from pathlib import Path
from sloth.adapters.passphrase import KEY_PREFIX
from sloth.adapters.state_file import StateFile
from sloth.errors import StateError
from sloth.model.secret import Secret
state = StateFile(Path(sys.argv[1]), "demo", lambda: Secret(KEY_PREFIX + "k" * 43))
"""


def holder(state: StateFile, then: str = "sys.stdin.readline()") -> subprocess.Popen[str]:
    """A process that holds the lock by the time this returns."""
    run = python(HEAD + f"state.lock('up')\nprint('locked', flush=True)\n{then}", str(state.folder.parent.parent))
    assert run.stdout
    assert run.stdout.readline() == "locked\n"
    return run


def end(run: subprocess.Popen[str]) -> None:
    run.communicate("\n", timeout=30)


def test_the_lock_says_who_holds_it_and_goes_away(state: StateFile) -> None:
    state.lock("up")
    held = state.owner()
    assert held
    assert (held.pid, held.verb, held.host) == (os.getpid(), "up", os.uname().nodename)
    assert held.started == process_start(os.getpid())
    state.unlock()
    assert state.owner() is None
    state.unlock()
    state.lock("down")
    assert state.owner() == replace(state.owner() or held, verb="down")


def test_a_second_owner_is_refused_with_all_that_helps(state: StateFile) -> None:
    run = holder(state)
    try:
        error = refused(lambda: state.lock("down"))
        assert error.code == "state/locked"
        for word in ("demo", os.uname().nodename, f"pid {run.pid}", "`sloth up`", " 0 s"):
            assert word in error.summary
        assert "sloth unlock" in error.hint
        forced = refused(lambda: state.unlock(force=True))
        assert forced.code == "state/owner-alive"
        assert str(run.pid) in forced.summary
        assert state.owner() is not None
    finally:
        end(run)
    state.lock("down")
    assert state.note == ""


def test_the_same_process_cannot_lock_twice(state: StateFile) -> None:
    state.lock("up")
    assert refused(lambda: another(state).lock("up")).code == "state/locked"
    assert refused(lambda: another(state).unlock(force=True)).code == "state/owner-alive"


def test_a_silent_owner_that_lives_on_this_host_keeps_the_lock(state: StateFile) -> None:
    """A stopped process, or a machine that slept: it may go on at any moment, so its lock is not taken from it."""
    run = holder(state)
    try:
        held = state.owner()
        assert held
        os.kill(run.pid, signal.SIGSTOP)
        put(state, replace(held, heartbeat=time.time() - 3600))
        assert refused(lambda: state.lock("up")).code == "state/locked"
        assert refused(lambda: state.unlock(force=True)).code == "state/owner-alive"
    finally:
        os.kill(run.pid, signal.SIGCONT)
        end(run)


def test_the_lock_of_a_killed_process_is_taken_over_with_a_note(state: StateFile, caplog: pytest.LogCaptureFixture) -> None:
    run = holder(state)
    run.kill()
    # not reaped yet: a zombie is as dead as it gets
    deadline = time.monotonic() + 10
    while process_start(run.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    with caplog.at_level(logging.WARNING):
        state.lock("up")
    assert f"pid {run.pid}" in state.note
    assert "took over the lock" in caplog.text
    held = state.owner()
    assert held
    assert held.pid == os.getpid()
    end(run)


@pytest.mark.parametrize("then", ["sys.exit(3)", "raise ValueError", "pass"])
def test_a_process_that_ends_without_unlocking_leaves_no_lock(state: StateFile, then: str) -> None:
    run = holder(state, then if then != "raise ValueError" else "sys.stderr = open(os.devnull, 'w')\nraise ValueError")
    run.wait(30)
    assert not (state.folder / "lock").exists()
    end(run)


def test_a_reused_pid_is_not_the_owner(state: StateFile) -> None:
    put(state, replace(this_process("up"), started="1"))
    state.lock("down")
    assert state.note


def test_on_another_host_the_heartbeat_decides(state: StateFile) -> None:
    put(state, elsewhere(age=59))
    assert "far-away" in refused(lambda: state.lock("up")).summary
    assert refused(lambda: state.unlock(force=True)).code == "state/owner-alive"
    put(state, elsewhere(age=61))
    state.lock("up")
    assert "far-away" in state.note


def test_a_heartbeat_from_the_future_is_no_proof_of_death_but_may_be_forced(state: StateFile) -> None:
    put(state, elsewhere(age=-86400))
    assert refused(lambda: state.lock("up")).code == "state/locked"
    state.unlock(force=True)
    state.lock("up")


def test_force_takes_a_dead_owners_lock_and_no_lock_is_no_error(state: StateFile) -> None:
    state.unlock(force=True)
    assert not state.folder.exists()
    put(state, gone())
    state.unlock(force=True)
    assert state.owner() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1}', '{"pid": "one"}', "[" * 99999])
def test_a_half_written_lock_is_nobodys(state: StateFile, text: str) -> None:
    state.folder.mkdir(parents=True)
    (state.folder / "lock").write_text(text)
    state.lock("up")
    assert state.owner() is not None


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(
    st.sampled_from(["user", "host", "pid", "started", "verb", "since", "heartbeat", "place"]), inner)))  # fmt: skip
def test_whatever_a_lock_holds_it_is_an_owner_or_nobody(value: object) -> None:
    found = parse_owner(json.dumps(value).encode())
    assert found is None or found.state() in ("alive", "silent", "dead")


def test_owners_are_written_and_read_alike() -> None:
    mine = this_process("up")
    assert parse_owner(mine.as_json()) == mine
    assert mine.state() == "alive"


def test_without_proc_only_life_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.read_text, Path.exists

    def hidden(path: Path, **options: str) -> str:
        if str(path).startswith("/proc"):
            raise FileNotFoundError
        return real[0](path, **options)

    monkeypatch.setattr(Path, "read_text", hidden)
    monkeypatch.setattr(Path, "exists", lambda path: not str(path).startswith("/proc") and real[1](path))
    owner.place.cache_clear()
    try:
        assert owner.place() == ""
        assert process_start(os.getpid()) == "alive"
        assert process_start(2**22 + 1) == ""
        assert process_start(10**30) == ""
        monkeypatch.setattr(os, "kill", lambda *_: (_ for _ in ()).throw(PermissionError()))
        assert process_start(1) == "alive"
    finally:
        monkeypatch.undo()
        owner.place.cache_clear()


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: (_ for _ in ()).throw(KeyError("uid")))
    assert this_process("up").user == str(os.getuid())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_file, "HEARTBEAT", 0.02)


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def beat(state: StateFile) -> float:
    held = state.owner()
    return held.heartbeat if held else 0.0


@pytest.mark.usefixtures("quick")
def test_the_owner_renews_its_lock(state: StateFile) -> None:
    state.lock("up")
    first = state.owner()
    assert first
    until(lambda: beat(state) > first.heartbeat)
    assert first.same_run(state.owner())
    state.unlock()
    time.sleep(0.1)
    assert state.owner() is None
    assert not [thread for thread in threading.enumerate() if thread.name == "lock-heartbeat"]


@pytest.mark.usefixtures("quick")
def test_a_heartbeat_that_fails_is_tried_again(state: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    state.lock("up")
    failures: list[int] = []

    def fail(*_: object) -> None:
        failures.append(1)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lock_file, "replace_file", fail)
        until(lambda: len(failures) > 2)
    before = time.time()
    until(lambda: beat(state) > before)


@pytest.mark.usefixtures("quick")
def test_whose_lock_was_taken_away_saves_and_deletes_nothing_more(state: StateFile) -> None:
    record = state.save(Record(cluster="demo"))
    state.lock("up")
    thief = elsewhere()
    with guarded(state.folder / "guard"):
        put(state, thief)
    error = refused(lambda: state.save(record))
    assert error.code == "state/lock-lost"
    assert "far-away" in error.summary
    assert refused(state.delete).code == "state/lock-lost"
    time.sleep(0.1)
    assert state.owner() == thief
    state.unlock()
    assert state.owner() == thief
    assert state.load() == record
    assert refused(state.delete).code == "state/locked"
    (state.folder / "lock").unlink()
    state.delete()


@pytest.mark.usefixtures("quick")
def test_deleting_while_the_heart_beats_leaves_no_folder(state: StateFile) -> None:
    for _ in range(20):
        state.lock("down")
        state.delete()
        time.sleep(0.03)
        assert not state.folder.exists()


def test_a_child_of_a_fork_does_not_give_the_lock_back(state: StateFile) -> None:
    run = holder(
        state, "pid = os.fork()\nif not pid: sys.exit()\nos.waitpid(pid, 0)\nprint('forked', flush=True)\nsys.stdin.readline()"
    )
    assert run.stdout
    assert run.stdout.readline() == "forked\n"
    assert (held := state.owner()) and held.pid == run.pid
    end(run)
    assert state.owner() is None


RACER = (
    HEAD
    + """
inside, wins = Path(sys.argv[1]) / "inside", 0
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    try:
        state.lock("up")
    except StateError as error:
        assert error.code == "state/locked", error
        time.sleep(0.002)
        continue
    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails if somebody else is inside
    wins += 1
    time.sleep(0.003)
    inside.unlink()
    state.unlock()
print(wins)
"""
)


def race(tmp_path: Path, rounds: int) -> list[int]:
    runs = [python(RACER, str(tmp_path), str(rounds)) for _ in range(4)]
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    wins = [int(run.communicate(timeout=120)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0] * 4
    return wins


def test_of_racing_processes_exactly_one_is_inside_at_a_time(state: StateFile, tmp_path: Path) -> None:
    wins = race(tmp_path, 60)
    assert sum(wins) > 0
    assert state.owner() is None


CLAIM = (
    HEAD
    + """
sys.stdin.readline()
try:
    state.lock("up")
    print("won", flush=True)
    sys.stdin.readline()
except StateError as error:
    print(error.code, flush=True)
"""
)


@pytest.mark.parametrize("before", ["nobody", "dead here", "expired elsewhere", "half written"])
def test_of_processes_that_meet_at_one_lock_exactly_one_wins(state: StateFile, tmp_path: Path, before: str) -> None:
    """The take-over of a dead owner's lock is the classic place where two win."""
    if before != "nobody":
        put(state, gone() if before == "dead here" else elsewhere(age=100))
    if before == "half written":
        (state.folder / "lock").write_text('{"user": "ro')
    runs = [python(CLAIM, str(tmp_path)) for _ in range(5)]
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    words = [run.stdout.readline().strip() for run in runs if run.stdout]
    assert sorted(words) == ["state/locked"] * 4 + ["won"]
    held = state.owner()
    assert held
    assert held.pid == runs[words.index("won")].pid
    for run in runs:
        end(run)
    assert state.owner() is None
