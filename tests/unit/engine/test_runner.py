"""Phases and their orders: what is carried out, what is answered, what a failure becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloth.engine.journal import Journal, read
from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.engine.stop import Stop
from sloth.errors import ConnectError, InternalError, Interrupted, ManyErrors, StateError, StepError
from sloth.model.cluster import Cluster
from sloth.model.event import Event
from sloth.model.node import Login
from sloth.model.phase import (
    Balance,
    Connect,
    DeleteMachines,
    DestroyMachines,
    Each,
    Keep,
    MakeMachines,
    PhaseRun,
    Say,
    SurveyMachines,
)
from sloth.model.plan import MachineRequest, Plan
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec
from sloth.model.step import Ask, Do, Result, Script
from sloth.testing import FakeMachines, FakeTransport, MemoryState

Body = Callable[[Cluster], PhaseRun]


class Phase:
    """A phase whose body is a function."""

    def __init__(self, body: Body, title: str = "Test") -> None:
        self.body = body
        self.title = title

    def run(self, cluster: Cluster) -> PhaseRun:
        return self.body(cluster)


class Balanced(FakeMachines):
    def balance(self, targets: Sequence[str]) -> str:
        return f"balancer:{len(targets)}"


class World:
    """A rig of fakes."""

    def __init__(self, tmp_path: Path) -> None:
        self.transport = FakeTransport()
        self.state = MemoryState()
        self.providers = {"fake": FakeMachines(), "big": Balanced()}
        self.events: list[Event] = []
        self.stop = Stop()
        self.rig = Rig(
            transport=self.transport,
            state=self.state,
            machines=lambda name: self.providers[name],
            emit=self.events.append,
            journal=Journal(tmp_path / "journal.jsonl"),
            stop=self.stop,
            verb="up",
        )

    def run(self, *bodies: Body) -> Cluster:
        cluster = Cluster(spec=ClusterSpec(name="c"), record=Record(cluster="c"), plan=Plan(leases=()))
        return run_phases([Phase(body, f"Phase {n}") for n, body in enumerate(bodies, 1)], cluster, self.rig)

    def connect(self, *names: str) -> Connect:
        return Connect(logins=tuple(Login(node=name, address="192.0.2.1") for name in names))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def one(step: Ask | Do) -> Script[str]:
    result = yield step
    assert isinstance(result, Result)
    return result.out


def make(title: str = "make") -> Do:
    return Do(title=title, run=title)


def test_each_runs_one_script_per_node_and_answers_by_node(world: World) -> None:
    world.transport.node("a").on("make", answer="A")
    world.transport.node("b").on("make", answer="B")
    seen: list[Any] = []

    def body(cluster: Cluster) -> PhaseRun:
        yield world.connect("a", "b")
        seen.append((yield Each(title="t", scripts={"a": one(make()), "b": one(make())})))
        seen.append((yield Each(title="none", scripts={})))
        return cluster

    world.run(body)
    assert seen == [{"a": "A", "b": "B"}, {}]
    assert dict(world.transport.round_trips) == {"a": 1, "b": 1}


def test_connections_are_kept_and_closed_at_the_end(world: World) -> None:
    node = world.transport.node("a").on("make")
    sessions: list[Any] = []
    real = world.transport.open
    world.transport.open = lambda login: sessions.append(real(login)) or sessions[-1]  # type: ignore[method-assign]

    def body(cluster: Cluster) -> PhaseRun:
        yield world.connect("a")
        for _ in range(2):
            yield Each(title="t", scripts={"a": one(make())})
        assert not sessions[0].closed
        yield world.connect("a")
        assert sessions[0].closed, "a new login closes the older connection"
        yield Each(title="t", scripts={"a": one(make())})
        return cluster

    world.run(body)
    assert (node.opened, node.round_trips, len(sessions)) == (2, 3, 2)
    assert sessions[1].closed


def test_a_lost_connection_is_made_again_once(world: World) -> None:
    node = world.transport.node("a").on("make", answer="fine").drop()

    def body(cluster: Cluster) -> PhaseRun:
        yield world.connect("a")
        answer = yield Each(title="t", scripts={"a": one(make())})
        assert answer == {"a": "fine"}
        node.drop(2)
        yield Each(title="t", scripts={"a": one(make())})
        return cluster

    with pytest.raises(ConnectError, match="connection lost"):
        world.run(body)
    assert (node.opened, node.round_trips) == (3, 4)


def test_a_script_before_any_login_is_a_defect(world: World) -> None:
    def body(cluster: Cluster) -> PhaseRun:
        yield Each(title="t", scripts={"a": one(make())})
        return cluster

    with pytest.raises(InternalError, match="before any `Connect`"):
        world.run(body)


def test_failures_are_raised_at_the_yield(world: World) -> None:
    for name in ("a", "b"):
        world.transport.node(name).on("make", answer=Result(exit=1)).on("again", answer="ok")
    caught: list[Exception] = []

    def body(cluster: Cluster) -> PhaseRun:
        yield world.connect("a", "b")
        try:
            yield Each(title="t", scripts={"a": one(make()), "b": one(make())})
        except ManyErrors as errors:
            caught.extend(errors.exceptions)
        answer = yield Each(title="t", scripts={"a": one(make()), "b": one(make("again"))}, gather=True)
        assert isinstance(answer["a"], StepError)
        assert answer["b"] == "ok"
        yield Each(title="t", scripts={"a": one(make())})
        return cluster

    with pytest.raises(StepError, match="a: “make” failed"):
        world.run(body)
    assert sorted(str(error) for error in caught) == [f"{name}: “make” failed with status 1" for name in ("a", "b")]
    assert (world.events[-2].kind, world.events[-2].ok) == ("phase-finished", False)
    assert (world.events[-1].kind, world.events[-1].ok) == ("run-finished", False)


def test_keep_saves_and_the_record_stays_current(world: World) -> None:
    def first(cluster: Cluster) -> PhaseRun:
        record = yield Keep(change=lambda record: replace(record, kubernetes_version="v1"))
        assert record.revision == 1
        same = yield Keep(change=lambda record: record)
        assert same == record
        return cluster

    def second(cluster: Cluster) -> PhaseRun:
        assert cluster.record.kubernetes_version == "v1"
        yield Keep(change=lambda record: record.with_node("a", joined=True))
        return cluster

    cluster = world.run(first, second)
    assert (cluster.record.revision, world.state.saves) == (2, 2)
    assert cluster.record == world.state.load()
    assert cluster.record.node("a").joined


def test_a_record_that_changed_meanwhile_is_an_error(world: World) -> None:
    world.state.save(Record(cluster="c"))

    def body(cluster: Cluster) -> PhaseRun:
        yield Keep(change=lambda record: replace(record, kubernetes_version="v1"))
        return cluster

    with pytest.raises(StateError):
        world.run(body)


def test_machines_orders_reach_the_provider(world: World) -> None:
    def body(cluster: Cluster) -> PhaseRun:
        wanted = tuple(MachineRequest(name=name, cluster="c", pool="p", role="worker") for name in ("a", "b"))
        made = yield MakeMachines(provider="fake", wanted=wanted)
        assert [machine.name for machine in made] == ["a", "b"]
        yield DeleteMachines(provider="fake", names=("a", "ghost"))
        yield DeleteMachines(provider="nobody-asks-for-it", names=())
        assert [machine.name for machine in (yield SurveyMachines(provider="fake"))] == ["b"]
        assert (yield Balance(provider="fake", targets=("b",))) == ""
        assert (yield Balance(provider="big", targets=("b",))) == "balancer:1"
        assert (yield DestroyMachines(provider="fake")) == ()
        return cluster

    world.run(body)
    assert world.providers["fake"].survey() == []


def test_events_and_journal_of_a_run(world: World, tmp_path: Path) -> None:
    world.transport.node("a").on("make").on("look")

    def changing(cluster: Cluster) -> PhaseRun:
        yield world.connect("a")
        yield Each(title="t", scripts={"a": one(make())})
        yield Say(text="hello")
        return cluster

    def looking(cluster: Cluster) -> PhaseRun:
        yield Each(title="t", scripts={"a": one(Ask(title="look", run="cat x"))})
        yield Say(text="careful", warning=True)
        return cluster

    def idle(cluster: Cluster) -> PhaseRun:
        yield Each(title="t", scripts={})
        return cluster

    world.run(changing, looking, idle)
    shown = [
        (event.kind, event.title, event.changed)
        for event in world.events
        if event.kind.startswith(("run", "phase", "note", "warning"))
    ]
    assert shown == [
        ("run-started", "up", False),
        ("phase-started", "Phase 1", False),
        ("note", "hello", False),
        ("phase-finished", "Phase 1", True),
        ("phase-started", "Phase 2", False),
        ("warning", "careful", False),
        ("phase-finished", "Phase 2", False),
        ("phase-started", "Phase 3", False),
        ("phase-skipped", "Phase 3", False),
        ("run-finished", "up", True),
    ]
    assert [entry["kind"] for entry in read(tmp_path / "journal.jsonl")] == ["run", "before", "after", "end"]


def test_an_unknown_order_is_a_defect(world: World) -> None:
    def body(cluster: Cluster) -> PhaseRun:
        yield "make it so"  # type: ignore[misc]
        return cluster

    with pytest.raises(InternalError, match="yielded str"):
        world.run(body)


def test_a_defect_reaches_the_phase_and_the_caller(world: World, tmp_path: Path) -> None:
    seen: list[str] = []

    def body(cluster: Cluster) -> PhaseRun:
        try:
            yield Keep(change=lambda record: 1 / 0)  # type: ignore[arg-type,return-value]
        finally:
            seen.append("cleaned up")
        return cluster

    with pytest.raises(ZeroDivisionError):
        world.run(body)
    assert seen == ["cleaned up"]
    assert read(tmp_path / "journal.jsonl")[-1]["outcome"] == "run/killed"


def test_the_wish_to_stop_ends_the_run_but_still_saves(world: World, tmp_path: Path) -> None:
    node = world.transport.node("a").on("make", answer=lambda _step: world.stop.request() or "").on("more")

    def body(cluster: Cluster) -> PhaseRun:
        yield world.connect("a")
        yield Each(title="t", scripts={"a": one(make())})
        record = yield Keep(change=lambda record: record.with_node("a", joined=True))
        assert record.node("a").joined
        yield Each(title="more", scripts={"a": one(make("more"))})
        return cluster

    with pytest.raises(Interrupted):
        world.run(body)
    assert [step.title for step in node.received] == ["make"]
    saved = world.state.load()
    assert saved is not None
    assert saved.node("a").joined
    assert read(tmp_path / "journal.jsonl")[-1]["outcome"] == "run/interrupted"


def test_no_phase_begins_after_the_wish_to_stop(world: World) -> None:
    def first(cluster: Cluster) -> PhaseRun:
        world.stop.request()
        return cluster
        yield

    with pytest.raises(Interrupted):
        world.run(first, first)
    assert [event.title for event in world.events if event.kind == "phase-started"] == ["Phase 1"]


def test_the_outcome_of_nested_groups_is_their_first_code(world: World, tmp_path: Path) -> None:
    def body(cluster: Cluster) -> PhaseRun:
        inner = ManyErrors("in", [StepError("step/failed", "x", hint="h")])
        raise ManyErrors("out", [inner])  # type: ignore[list-item]
        yield

    with pytest.raises(ManyErrors):
        world.run(body)
    assert read(tmp_path / "journal.jsonl")[-1]["outcome"] == "step/failed"
