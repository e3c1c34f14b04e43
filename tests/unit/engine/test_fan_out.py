"""Many nodes side by side: order, width, failures, and the wish to stop."""

from __future__ import annotations

import threading
import time

import pytest

from sloth.engine.fan_out import fan_out
from sloth.engine.stop import Stop
from sloth.errors import Interrupted, ManyErrors, StepError


def failure(name: str) -> StepError:
    return StepError("step/failed", f"{name}: bad", hint="sloth up")


def raising(error: Exception):
    def job() -> None:
        raise error

    return job


def test_answers_come_in_the_order_asked() -> None:
    work = {f"n{n}": (lambda n=n: time.sleep(0.01 * (5 - n)) or n) for n in range(5)}
    assert list(fan_out(work, title="t", stop=Stop()).items()) == [(f"n{n}", n) for n in range(5)]
    assert fan_out({}, title="t", stop=Stop()) == {}


def test_width_bounds_how_many_run_at_once() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def job() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    fan_out({str(n): job for n in range(12)}, title="t", stop=Stop(), width=3)
    assert most == [3]


def test_one_failure_is_raised_as_itself_after_the_others_have_finished() -> None:
    done: list[str] = []
    work = {"bad": raising(failure("bad")), "good": lambda: time.sleep(0.05) or done.append("good")}
    with pytest.raises(StepError, match="bad: bad"):
        fan_out(work, title="t", stop=Stop())
    assert done == ["good"]


def test_several_failures_are_a_group() -> None:
    work = {name: raising(failure(name)) for name in ("a", "b")} | {"c": lambda: None}
    with pytest.raises(ManyErrors, match="join") as group:
        fan_out(work, title="join", stop=Stop())
    assert sorted(str(error) for error in group.value.exceptions) == ["a: bad", "b: bad"]
    assert group.value.exit == 14


def test_a_defect_is_not_hidden_in_a_group() -> None:
    work = {"a": raising(failure("a")), "b": raising(ZeroDivisionError("oops"))}
    with pytest.raises(ZeroDivisionError):
        fan_out(work, title="t", stop=Stop())


def test_gathered_failures_are_answers() -> None:
    error = failure("a")
    assert fan_out({"a": raising(error), "b": lambda: 1}, title="t", stop=Stop(), gather=True) == {"a": error, "b": 1}


def test_after_the_wish_to_stop_nothing_new_begins() -> None:
    stop, done = Stop("down"), []

    def job(name: str):
        def run() -> None:
            stop.request()
            time.sleep(0.05)
            done.append(name)

        return run

    with pytest.raises(Interrupted) as end:
        fan_out({name: job(name) for name in "abc"}, title="t", stop=stop, width=1, gather=True)
    assert done == ["a"], "what was running is finished"
    assert end.value.hint == "sloth down"


def test_a_wish_that_comes_when_all_is_done_interrupts_nothing() -> None:
    stop = Stop()
    assert fan_out({"a": stop.request}, title="t", stop=stop) == {"a": None}


def test_an_interrupted_script_interrupts_the_whole_and_tells_other_failures() -> None:
    stop = Stop()
    stop_now = lambda: (stop.request(), stop.check())  # noqa: E731
    with pytest.raises(Interrupted) as end:
        fan_out({"a": raising(failure("a")), "b": stop_now}, title="t", stop=stop)
    assert end.value.detail == "a: a: bad"


def test_many_jobs_are_cheap() -> None:
    begin = time.monotonic()
    assert len(fan_out({str(n): (lambda: 1) for n in range(2000)}, title="t", stop=Stop())) == 2000
    assert time.monotonic() - begin < 10
