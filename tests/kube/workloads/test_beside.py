"""Calls side by side: what goes out together, how pauses add up, and failures that end nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import KubernetesError
from sloth.kube.wire import Pause, Request
from sloth.kube.workloads.beside import side_by_side


def get(name):
    return Request("GET", f"/{name}")


def played(call):
    """Carry a call through: each request is answered by its path. What was asked together, the time, what it returned."""
    sent, clock, answer = [], 0.0, None
    while True:
        try:
            wanted = call.send(answer)
        except StopIteration as done:
            return sent, clock, done.value
        if isinstance(wanted, Pause):
            clock, answer = clock + wanted.seconds, None
        else:
            sent.append((round(clock, 3), [each.path for each in wanted]))
            answer = [each.path for each in wanted]


def one(name, *pauses):
    found = []
    for number, seconds in enumerate(pauses):
        found.append((yield get(f"{name}{number}")))
        yield Pause(seconds)
    return found


def test_what_is_asked_at_one_moment_goes_out_together_and_pauses_run_side_by_side():
    sent, clock, results = played(side_by_side([one("a", 1, 1), one("b", 2), one("c")]))
    assert sent == [(0, ["/a0", "/b0"]), (1, ["/a1"])]
    assert clock == 2
    assert results == [["/a0", "/a1"], ["/b0"], []]


def test_several_requests_of_one_call_keep_their_answers():
    def many():
        return (yield (get("x"), get("y")))

    sent, _, results = played(side_by_side([many(), one("a", 0.5), many()]))
    assert sent[0] == (0, ["/x", "/y", "/a0", "/x", "/y"])
    assert results == [["/x", "/y"], ["/a0"], ["/x", "/y"]]


def test_one_that_fails_ends_no_other():
    def fails():
        yield get("f")
        raise KubernetesError("kube/test", "it failed", hint="none")

    _, clock, (error, well) = played(side_by_side([fails(), one("a", 1, 1)]))
    assert (error.code, well, clock) == ("kube/test", ["/a0", "/a1"], 2)


def test_what_comes_instead_of_answers_ends_all():
    ended = []

    def heard(name):
        try:
            yield get(name)
        finally:
            ended.append(name)

    call = side_by_side([heard("a"), heard("b")])
    next(call)
    with pytest.raises(OSError, match="gone"):
        call.throw(OSError("gone"))
    assert ended == ["a", "b"]


@given(st.lists(st.lists(st.integers(1, 9), max_size=5), max_size=5))
def test_it_takes_as_long_as_the_longest_and_asks_what_each_would_ask_alone(lanes):
    alone = [played(_listed(one(str(n), *pauses)))[1] for n, pauses in enumerate(lanes)]
    sent, clock, results = played(side_by_side([one(str(n), *pauses) for n, pauses in enumerate(lanes)]))
    assert clock == max(alone, default=0)
    assert sorted(path for _, paths in sent for path in paths) == sorted(path for each in results for path in each)
    assert [len(each) for each in results] == [len(pauses) for pauses in lanes]


def _listed(call):
    """The same call with each request in a list of its own."""
    answer = None
    while True:
        try:
            wanted = call.send(answer)
        except StopIteration as done:
            return done.value
        answer = (yield wanted) if isinstance(wanted, Pause) else (yield (wanted,))[0]
