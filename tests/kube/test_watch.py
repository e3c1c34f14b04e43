"""The watch's state machine: whatever happens to the bytes, what it tells is what happened."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import ConnectError
from sloth.kube.builtin import BUILTIN
from sloth.kube.faults import ApiError, fault_of
from sloth.kube.resource import key_of
from sloth.kube.retry import Policy
from sloth.kube.watch import Follow, Relist, Watch
from sloth.kube.wire import Pause

PODS = next(each for each in BUILTIN if each.plural == "pods")
POLICY = Policy(draw=lambda most: most)


def pod(name, version, uid=""):
    return {"metadata": {"name": name, "namespace": "x", "uid": uid or name, "resourceVersion": str(version)}, "text": 'ü\n"}{'}


class History:
    """A server's memory: what happened, and what a watch from a version gets."""

    def __init__(self, steps):
        self.lines, self.now = [], {}
        for at, (name, gone) in enumerate(steps, 1):
            version, known = at, name in self.now
            if gone and not known:
                continue
            item = pod(name, version)
            kind = "DELETED" if gone else "MODIFIED" if known else "ADDED"
            self.lines.append((version, json.dumps({"type": kind, "object": item}).encode() + b"\n"))
            if gone:
                del self.now[name]
            else:
                self.now[name] = item
        self.version = self.lines[-1][0] if self.lines else 0

    def after(self, version):
        return b"".join(line for at, line in self.lines if at > int(version))


def started():
    machine = Watch(PODS, "x", policy=POLICY)
    assert machine.plan() == Relist()
    assert machine.listed([], "0") == []
    return machine


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=8)


@given(STEPS, st.lists(st.tuples(st.floats(0, 1), st.integers(1, 400)), max_size=5))
def test_a_stream_cut_at_any_byte_is_resumed_without_loss_or_repetition(steps, cuts):
    """Cuts come at a share of what is still to come, the bytes before one in pieces of a size; the last stream is whole."""
    history = History(steps)
    machine, events = started(), []
    while int(machine.version) < history.version:
        wanted = machine.plan()
        if isinstance(wanted, Pause):
            continue
        assert isinstance(wanted, Follow)
        asked = dict(wanted.request.query)
        assert asked["allowWatchBookmarks"] == "true"
        whole = history.after(asked["resourceVersion"])
        share, piece = cuts.pop() if cuts else (1, 7)
        cut = round(share * len(whole))
        for at in range(0, cut, piece):
            events += machine.feed(whole[:cut][at : at + piece])
        machine.ended()
    told = [int(event.object["metadata"]["resourceVersion"]) for event in events]
    assert told == [version for version, _ in history.lines]
    assert machine.known == {key_of(item): item for item in history.now.values()}


def test_every_byte_position_of_one_frame():
    history = History([("a", False)])
    whole = history.after(0)
    for cut in range(len(whole)):
        machine = started()
        machine.plan()
        assert machine.feed(whole[:cut]) == []
        machine.ended()
        assert machine.version == "0"
        assert [event.type for event in machine.feed(whole)] == ["ADDED"]


@given(STEPS, STEPS)
def test_a_forgotten_version_makes_a_new_list_whose_difference_is_told(before, between):
    first, both = History(before), History([*before, *between])
    machine = started()
    machine.plan()
    machine.feed(first.after(0))
    known = dict(machine.known)
    machine.failed(fault_of({"code": 410, "reason": "Expired"}, 410, "watch"))
    assert machine.plan() == Relist()
    for event in machine.listed(both.now.values(), str(both.version)):
        if event.type == "DELETED":
            del known[key_of(event.object)]
        else:
            assert (key_of(event.object) in known) == (event.type == "MODIFIED")
            known[key_of(event.object)] = event.object
    assert known == machine.known
    assert {key_of(item) for item in both.now.values()} == set(known)


def test_an_object_made_anew_in_the_gap_went_first():
    machine = started()
    machine.listed([pod("a", 1, uid="1")], "1")
    events = machine.listed([pod("a", 5, uid="2")], "5")
    assert [(event.type, event.object["metadata"]["uid"]) for event in events] == [("DELETED", "1"), ("ADDED", "2")]


def test_a_bookmark_moves_the_version_and_tells_nothing():
    machine = started()
    machine.plan()
    assert machine.feed(json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}).encode() + b"\n") == []
    machine.ended()
    wanted = machine.plan()
    assert isinstance(wanted, Follow)
    assert dict(wanted.request.query)["resourceVersion"] == "9"


def test_an_error_event_is_a_failure_with_its_status():
    machine = started()
    machine.plan()
    line = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
    with pytest.raises(ApiError) as caught:
        machine.feed(json.dumps(line).encode() + b"\n")
    assert (caught.value.status, caught.value.code) == (410, "kube/expired")


def test_what_came_before_a_wrong_frame_is_told_first():
    """In one piece with it, as a server may send them: else it would be lost, and its version be taken for seen."""
    machine = started()
    machine.plan()
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
    events = machine.feed(History([("a", False), ("b", False)]).after(0) + json.dumps(gone).encode() + b"\n")
    assert [key_of(event.object) for event in events] == ["x/a", "x/b"]
    with pytest.raises(ApiError) as caught:
        machine.check()
    machine.check()  # once
    machine.failed(caught.value)
    assert machine.plan() == Relist()


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'"x"', b'{"type": 1, "object": {}}', b"\xff\xfe", b"[" * 100_000, b'{"type":"ADDED"}']
)
def test_what_is_no_event_breaks_the_stream_and_is_asked_for_again(line):
    machine = started()
    machine.plan()
    with pytest.raises(ConnectError) as caught:
        machine.feed(line + b"\n")
    machine.failed(caught.value)
    assert isinstance(machine.plan(), Pause)
    assert isinstance(machine.plan(), Follow)
    assert machine.version == "0"


def test_pauses_grow_until_something_comes():
    machine, pauses = started(), []
    for _ in range(4):
        machine.failed(ConnectError("kube/unreachable", "", hint="x"))
        wanted = machine.plan()
        assert isinstance(wanted, Pause)
        pauses.append(wanted.seconds)
        machine.plan()
    assert pauses == sorted(set(pauses))
    machine.feed(History([("a", False)]).after(0))
    machine.ended()
    assert isinstance(machine.plan(), Follow)  # at once: it had told something


def test_a_server_that_forgets_at_once_again_is_not_hurried():
    machine = started()
    gone = fault_of({"code": 410, "reason": "Expired"}, 410, "watch")
    machine.failed(gone)
    assert machine.plan() == Relist()
    machine.listed([], "5")
    machine.plan()
    machine.failed(gone)
    assert isinstance(machine.plan(), Pause)


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_what_waiting_cannot_mend_ends_the_watch(status):
    with pytest.raises(ApiError):
        started().failed(fault_of({"code": status}, status, "watch"))
