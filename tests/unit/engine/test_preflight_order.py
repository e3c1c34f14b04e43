"""The order `Preflight`: who is asked, what comes back, and that a rehearsal asks for real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sloth.engine.rehearse import rehearsing
from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.errors import MachinesError
from sloth.model.cluster import Cluster
from sloth.model.event import Event
from sloth.model.phase import PhaseRun, Preflight
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec
from sloth.testing import FakeMachines, FakeTransport, MemoryState


class Choosing(FakeMachines):
    """Places every node at its own name."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []

    def preflight(self, new: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        self.asked.append((tuple(new), dict(known)))
        if "bad-1" in new:
            raise MachinesError("machines/left-over", "no", hint="x")
        return {name: {"size": name} for name in new}


class Phase:
    title = "Preflight"

    def __init__(self, order: Preflight) -> None:
        self.order = order
        self.answer: Any = None

    def run(self, cluster: Cluster) -> PhaseRun:
        self.answer = yield self.order
        return cluster


def run(order: Preflight, *, rehearse: bool = False) -> tuple[Any, list[Event], dict[str, Any]]:
    providers: dict[str, Any] = {"local": FakeMachines(), "a": Choosing(), "b": Choosing()}
    events: list[Event] = []
    rig = Rig(transport=FakeTransport(), state=MemoryState(), machines=lambda name: providers[name], emit=events.append)
    phase = Phase(order)
    cluster = Cluster(spec=ClusterSpec(name="c"), record=Record(cluster="c"), plan=Plan(leases=()))
    run_phases([phase], cluster, rehearsing(rig)[0] if rehearse else rig)
    return phase.answer, events, providers


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events if event.kind.startswith("phase-")]


@pytest.mark.parametrize("rehearse", [False, True])
def test_those_that_choose_are_asked_with_what_is_known(rehearse: bool) -> None:
    known = {"a": {"cp-1": {"size": "s"}}}
    names = {"local": ("x-1",), "a": ("cp-2", "cp-3"), "b": ("w-1",)}
    answer, events, providers = run(Preflight(names=names, known=known), rehearse=rehearse)
    assert answer == {"a": {"cp-2": {"size": "cp-2"}, "cp-3": {"size": "cp-3"}}, "b": {"w-1": {"size": "w-1"}}}
    assert providers["a"].asked == [(("cp-2", "cp-3"), {"cp-1": {"size": "s"}})]
    assert providers["b"].asked == [(("w-1",), {})]
    assert kinds(events) == ["phase-started", "phase-finished"]


@pytest.mark.parametrize("rehearse", [False, True])
def test_where_nobody_chooses_the_phase_was_skipped(rehearse: bool) -> None:
    answer, events, _ = run(Preflight(names={"local": ("x-1",)}, known={}), rehearse=rehearse)
    assert answer == {}
    assert kinds(events) == ["phase-started", "phase-skipped"]


def test_a_failure_is_an_answer_and_the_others_are_finished() -> None:
    answer, _, _ = run(Preflight(names={"a": ("bad-1",), "b": ("w-1",)}, known={}))
    assert isinstance(answer["a"], MachinesError)
    assert answer["b"] == {"w-1": {"size": "w-1"}}


def test_the_record_keeps_placements_by_node_and_forgets_them_with_it() -> None:
    record = Record(cluster="c", providers={"a": {"other": 1}, "b": {"more": 2}})
    record = record.with_placements("a", {"w-1": {"size": "s"}, "w-2": {"size": "t"}})
    assert record.with_placements("a", {"w-1": {"size": "u"}}).placements("a") == {"w-1": {"size": "u"}, "w-2": {"size": "t"}}
    gone = record.without_node("w-1")
    assert gone.placements("a") == {"w-2": {"size": "t"}}
    assert gone.providers["a"]["other"] == 1
    assert gone.providers["b"] == {"more": 2}
    assert gone.placements("none") == {}
