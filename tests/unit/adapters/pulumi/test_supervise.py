"""Ctrl-C and silence, with a command that only writes down what it is told."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from sloth.adapters.pulumi.supervise import Pulse, supervise
from sloth.engine.stop import Stop
from sloth.errors import Interrupted, MachinesError, StateError


class Told:
    """A command; jobs can wait for what it is told."""

    def __init__(self):
        self.words = []
        self.interrupted, self.ended = threading.Event(), threading.Event()

    def interrupt(self):
        self.words.append("interrupt")
        self.interrupted.set()

    def end(self, patience):
        assert 5 <= patience <= 60
        self.words.append("end")
        self.ended.set()


def interrupted():
    return Interrupted("run/interrupted", "interrupted", hint="sloth up")


def guards():
    return [thread.name for thread in threading.enumerate() if thread.name == "engine-guard"]


def test_answers_come_in_the_order_of_the_jobs_and_nobody_stays():
    command = Told()
    answers = supervise({"b": lambda: 2, "a": lambda: 1}, command, Stop(), title="machines", pulse=Pulse())
    assert list(answers.items()) == [("b", 2), ("a", 1)]
    assert command.words == []
    assert guards() == []
    assert supervise({}, command, Stop(), title="machines", pulse=Pulse()) == {}


def test_what_a_job_raises_is_raised_when_the_others_are_done():
    done = threading.Event()

    def fail():
        raise StateError("engine/locked", "locked", hint="wait")

    def work():
        done.set()

    with pytest.raises(StateError):
        supervise({"a": fail, "b": work}, Told(), Stop(), title="machines", pulse=Pulse())
    assert done.is_set()


def test_the_wish_to_stop_is_passed_on_once_and_the_jobs_end_in_good_order():
    command, stop, saved, both = Told(), Stop(), [], threading.Barrier(2)

    def work():
        both.wait(30)
        stop.request()
        assert command.interrupted.wait(30)
        saved.append("in flight")
        raise interrupted()

    with pytest.raises(Interrupted) as caught:
        supervise({"a": work, "b": work}, command, stop, title="machines", pulse=Pulse())
    assert caught.value.exit == 130
    assert saved == ["in flight"] * 2
    assert command.words == ["interrupt"]


def test_the_second_ctrl_c_of_the_terminal_ends_it_now():
    """Real signals in the main thread, as a terminal sends them."""
    command, stop = Told(), Stop()

    def work():
        os.kill(os.getpid(), signal.SIGINT)
        assert command.interrupted.wait(30)
        os.kill(os.getpid(), signal.SIGINT)
        assert command.ended.wait(30)

    with stop.on_signals(lambda: None), pytest.raises(KeyboardInterrupt):
        supervise({"a": work}, command, stop, title="machines", pulse=Pulse())
    assert command.words[0] == "interrupt"
    assert set(command.words[1:]) == {"end"}
    assert guards() == []


def test_an_engine_that_says_nothing_is_ended_and_that_is_told():
    command = Told()

    def work():
        assert command.ended.wait(30)
        raise interrupted()  # what its end looks like from inside

    with pytest.raises(MachinesError) as caught:
        supervise({"a": work}, command, Stop(), title="machines at toy", pulse=Pulse(), stall=0.3)
    assert caught.value.code == "engine/stalled"
    assert "machines at toy" in caught.value.summary
    assert command.words == ["end"]


def test_an_engine_that_had_nothing_to_do_for_long_was_not_silent():
    command, pulse = Told(), Pulse()
    pulse._at -= 10_000
    assert pulse.silence > 9_000
    assert supervise({"a": lambda: threading.Event().wait(0.3)}, command, Stop(), title="machines", pulse=pulse) == {"a": False}
    assert command.words == []


def test_signs_of_life_keep_it_going():
    command, pulse = Told(), Pulse()

    def work():
        for _ in range(20):
            threading.Event().wait(0.05)
            pulse.beat()

    supervise({"a": work}, command, Stop(), title="machines", pulse=pulse, stall=0.8)
    assert command.words == []
