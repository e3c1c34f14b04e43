"""Ctrl-C, sent to a real process: once finishes what is in hand and saves, twice stops now."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sloth.engine.fan_out import fan_out
from sloth.engine.journal import read, unfinished
from sloth.engine.stop import Stop
from sloth.errors import Interrupted
from sloth.testing import MemoryState
from tests.unit.engine import small_flow
from tests.unit.engine.test_kill import ROOT

PROGRAM = """
import sys, time
from pathlib import Path
from sloth.errors import SlothError
from tests.unit.engine import small_flow
from sloth.model.step import Result
directory, seconds = Path(sys.argv[1]), float(sys.argv[2])
flow = small_flow.make(directory, lambda what: None)
def slow(host, match):
    (directory / f"busy-{host.name}").touch()
    time.sleep(seconds)
    host.write("/usr/bin/runtime", "program")
for host in flow.hosts.hosts.values():
    host.handlers.insert(0, (__import__("re").compile("install runtime"), slow))
try:
    flow.run()
except SlothError as error:
    print(error.code, error.hint, [event.title for event in flow.events if event.kind == "warning"], flush=True)
    sys.exit(error.exit)
"""


def start(directory: Path, seconds: float) -> subprocess.Popen[str]:
    """The small flow in a process of its own, as far as its slow step on all three nodes."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(directory), str(seconds)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(list(directory.glob("busy-*"))) < 3:
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_finishes_the_steps_in_hand_and_begins_no_other(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, 1.5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out.startswith("run/interrupted sloth up")
    assert "press Ctrl-C again" in out
    journal = read(tmp_path / "journal.jsonl")
    assert journal[-1]["outcome"] == "run/interrupted"
    assert unfinished(tmp_path / "journal.jsonl") is None
    over = {(entry["node"], entry["step"]) for entry in journal if entry["kind"] == "after"}
    assert {(name, "install") for name in small_flow.NAMES} <= over, "what was in hand was finished"
    assert not any(entry.get("step") == "found" for entry in journal), "nothing new was begun"
    record = MemoryState(tmp_path / "record").load()
    assert record is not None
    then = small_flow.make(tmp_path, lambda _what: None).snapshot()
    flow = small_flow.make(tmp_path, lambda _what: None)
    flow.run()
    assert flow.problems(then) == []


def test_twice_stops_now(tmp_path: Path) -> None:
    process = start(tmp_path, 300)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - begin < 15
    assert process.returncode != 0
    assert "KeyboardInterrupt" in err
    assert read(tmp_path / "journal.jsonl")[-1]["outcome"] == "run/killed"
    then = small_flow.make(tmp_path, lambda _what: None).snapshot()
    flow = small_flow.make(tmp_path, lambda _what: None)
    flow.run()
    assert flow.problems(then) == []


def test_handlers_are_put_back_and_only_the_main_thread_has_them() -> None:
    before = signal.getsignal(signal.SIGINT)
    stop, said = Stop(), []
    with stop.on_signals(lambda: said.append("stopping")):
        assert signal.getsignal(signal.SIGINT) is not before
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), said) == (before, ["stopping"])

    inside: list[object] = []

    def elsewhere() -> None:
        with Stop().on_signals(lambda: None):
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert inside == [before]


def test_without_handlers_fan_out_takes_the_first_interrupt_for_a_wish() -> None:
    stop, done = Stop(), []

    def job(name: str) -> None:
        done.append(name)
        time.sleep(0.3)  # until the main thread waits
        if name == "a":
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

    with pytest.raises(Interrupted):
        fan_out({name: lambda name=name: job(name) for name in "abc"}, title="t", stop=stop, width=1)
    assert done == ["a"]


def test_without_handlers_a_second_interrupt_ends_the_waiting() -> None:
    stop, go_on = Stop(), threading.Event()

    def job() -> None:
        stop.request()
        time.sleep(0.3)
        signal.raise_signal(signal.SIGINT)
        go_on.wait(30)

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fan_out({"a": job}, title="t", stop=stop)
    go_on.set()
    assert time.monotonic() - begin < 10


def test_waiting_ends_with_the_wish() -> None:
    stop = Stop()
    threading.Timer(0.1, stop.request).start()
    begin = time.monotonic()
    stop.wait(30)
    assert time.monotonic() - begin < 10
    with pytest.raises(Interrupted):
        stop.check()
