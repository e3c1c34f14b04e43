"""A rehearsal asks and predicts, changes nothing, and sends what a real run would send."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloth.engine.rehearse import Rehearsal, RehearsalMachines, RehearsalSession, RehearsalState, RehearsalTransport, rehearsing
from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.errors import ConnectError
from sloth.model.cluster import Cluster
from sloth.model.event import Event
from sloth.model.names import NamePlan
from sloth.model.node import Login
from sloth.model.plan import Action, MachineChange, MachineRequest, Plan
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec
from sloth.model.step import Ask, Do, Put, Result, Step, Upload, Wait
from sloth.testing import FakeMachines, FakeTransport, MemoryState
from tests.unit.engine import small_flow
from tests.unit.engine.shells import execute
from tests.unit.engine.test_shell import OWNER

LOGIN = Login(node="n1", address="192.0.2.1")


class Shell:
    """A session that is this machine's own /bin/sh."""

    def __init__(self) -> None:
        self.round_trips = 0
        self.closed = False

    def run(self, steps: list[Step]) -> list[Result]:
        self.round_trips += 1
        assert all(isinstance(step, Ask) and not step.check for step in steps)
        return execute(steps)

    def close(self) -> None:
        self.closed = True


def steps(folder: Path) -> list[Step]:
    source = folder.parent / "source"
    source.write_bytes(b"program")
    return [
        Ask(title="ask", run="echo real", expected="guess"),
        Do(title="guarded", run=f"touch {folder}/guarded", unless=f"test -e {folder}/guarded", expected="made"),
        Put(path=f"{folder}/file", content="x", owner=OWNER),
        Upload(path=f"{folder}/program", source=str(source), sha256=hashlib.sha256(b"program").hexdigest()),
        Wait(title="wait", until="false", expected="up"),
        Do(title="always", run=f"touch {folder}/always"),
    ]


def test_a_node_that_does_not_exist_is_all_prediction(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    session = RehearsalTransport(None, lambda _name: True).open(LOGIN)
    results = session.run(steps(folder))
    assert [(result.out, result.changed) for result in results] == [
        ("guess", False), ("made", True), ("", True), ("", True), ("up", False), ("", True),
    ]  # fmt: skip
    assert all(result.ok and result.predicted for result in results)
    session.close()
    assert not folder.exists()


def test_an_existing_node_is_asked_in_one_round_trip_and_not_changed(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "guarded").touch()
    (folder / "file").write_text("x")
    shell = Shell()
    session = RehearsalSession(shell)
    results = session.run(steps(folder))
    assert [(result.changed, result.predicted) for result in results] == [
        (False, False),  # asked for real
        (False, False),  # its guard holds
        (False, False),  # the file is right
        (True, True),  # the program is not there
        (False, True),
        (True, True),  # has no guard
    ]
    assert results[0].out == "real"
    assert shell.round_trips == 1
    assert sorted(path.name for path in folder.iterdir()) == ["file", "guarded"]
    assert session.run([Ask(title="later", run="echo old")]) == [Result(out="old", predicted=True)]
    session.close()
    assert shell.closed


def test_nothing_to_ask_is_no_round_trip() -> None:
    shell = Shell()
    assert RehearsalSession(shell).run([Do(title="x", run="x"), Wait(title="w", until="w")])[0].changed
    assert shell.round_trips == 0


def test_a_question_that_fails_is_a_failure_unless_something_would_have_changed_before() -> None:
    question = Ask(title="q", run="false", expected="guess")
    after = Ask(title="after", run="true")
    assert RehearsalSession(Shell()).run([question, after]) == [Result(exit=1)]
    assert RehearsalSession(Shell()).run([replace(question, check=False), after]) == [Result(exit=1), Result()]
    results = RehearsalSession(Shell()).run([Do(title="make", run="x"), question])
    assert results[1] == Result(out="guess", predicted=True)


def test_a_condition_does_not_hold_on_a_new_node_unless_it_is_expected_to() -> None:
    session = RehearsalSession(None)
    asked = [Ask(title=text, run="true", expected=text, check=False) for text in ("", "member")]
    assert [result.exit for result in session.run(asked)] == [1, 0]


def test_only_existing_nodes_are_connected() -> None:
    real = FakeTransport()
    real.node("n1").on("ask", answer="hello")
    transport = RehearsalTransport(real, lambda name: name == "n1")
    assert transport.open(LOGIN).run([Ask(title="ask", run="cat x")])[0].out == "hello"
    assert transport.open(replace(LOGIN, node="n2")).run([Ask(title="ask", run="cat x")])[0].predicted


def request(name: str) -> MachineRequest:
    return MachineRequest(name=name, cluster="c", pool="p", role="worker", boot_key_public="ssh-ed25519 AAAA")


def test_machines_are_made_in_words_only() -> None:
    real = FakeMachines()
    real.apply([request("on"), request("off"), request("old")])
    real.stop("off")
    before = list(real.survey())
    rehearsal, events = Rehearsal(), []

    def emit(event: Event) -> None:
        events.append(event)
        rehearsal.hear(event)

    emit(Event(kind="phase-started", phase="Machines"))
    machines = RehearsalMachines(real, rehearsal, emit)
    made = machines.apply([request("on"), request("off"), request("new")])
    assert [(machine.name, machine.id) for machine in made] == [("on", "fake-1"), ("off", "fake-2"), ("new", "")]
    assert made[2].host_key == "ssh-ed25519 AAAA"
    machines.delete(["old", "ghost"])
    machines.destroy()
    assert machines.leftovers() == ()
    assert list(machines.survey()) == before == list(real.survey())
    assert rehearsal.existing == {"on", "old"}
    assert [(line.phase, line.node, line.title) for line in rehearsal.changes] == [
        ("Machines", "off", "start machine"),
        ("Machines", "new", "create machine"),
        ("Machines", "old", "delete machine"),
        ("Machines", "", "delete machine on"),
        ("Machines", "", "delete machine off"),
        ("Machines", "", "delete machine old"),
    ]
    assert len(rehearsal.planned) == 7


def test_a_balancer_is_planned_where_there_would_be_one() -> None:
    class Balanced(FakeMachines):
        def balance(self, targets: object) -> str:
            raise AssertionError("nothing is made in a rehearsal")

    rehearsal = Rehearsal()
    assert RehearsalMachines(Balanced(), rehearsal, rehearsal.hear).balance(["a", "b"]) == ""
    assert RehearsalMachines(FakeMachines(), rehearsal, rehearsal.hear).balance(["a", "b"]) == ""
    assert [line.title for line in rehearsal.planned] == ["balance the API over a, b"]


def test_of_a_name_in_dns_only_what_differs_is_planned() -> None:
    rehearsal = Rehearsal()
    machines = RehearsalMachines(FakeMachines(), rehearsal, rehearsal.hear)
    name = NamePlan(cluster="c", host="api.example.com", zone="example.com", targets=("192.0.2.1",))
    machines.publish(name, name)
    machines.publish(name, None)
    machines.publish(replace(name, targets=()), name)
    machines.publish(None, name)
    assert [line.title for line in rehearsal.planned] == [
        "DNS record api.example.com -> 192.0.2.1",
        "DNS record api.example.com -> the new address",
        "delete DNS record api.example.com",
    ]


def test_where_a_balancer_is_may_be_known() -> None:
    class Known(FakeMachines):
        def balance(self, targets: object) -> str:
            raise AssertionError("nothing is made in a rehearsal")

        def balanced(self) -> str:
            return "192.0.2.9:6443"

    rehearsal = Rehearsal()
    machines = RehearsalMachines(Known(), rehearsal, rehearsal.hear)
    assert [machines.balance(["a"]), machines.balance(["a"])] == ["192.0.2.9:6443"] * 2
    assert len(rehearsal.planned) == 1


def test_the_record_is_read_and_not_written() -> None:
    real = MemoryState()
    real.save(Record(cluster="c"))
    state = RehearsalState(real)
    record = state.load()
    assert record is not None
    state.lock("plan")
    assert state.save(record).revision == 2
    state.delete()
    state.unlock()
    kept = real.load()
    assert kept is not None
    assert kept.revision == 1


def rehearse_small(directory: Path) -> tuple[Rehearsal, small_flow.SmallFlow]:
    """The plan of the small flow, made with a rehearsing rig."""
    flow = small_flow.make(directory, lambda what: (_ for _ in ()).throw(AssertionError(what)) if what in FORBIDDEN else None)
    rig, rehearsal = rehearsing(flow.rig)
    record = flow.state.load() or Record(cluster="c")
    run_phases(small_flow.PHASES, Cluster(spec=ClusterSpec(name="c"), record=record, plan=Plan(leases=())), rig)
    return rehearsal, flow


FORBIDDEN = {"saved", *(f"made {name}" for name in small_flow.NAMES)}


@pytest.fixture
def quiet_put(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake hosts know no `stat`: they answer for a file what the question about it asks."""

    def on_init(host: small_flow.FakeHost, original=small_flow.FakeHost.__post_init__) -> None:
        original(host)
        host.on(r"(?:test ! -e \S+ && )?case .*? -- (\S+) .*", lambda host, match: 0 if match[1] in host.files else 1)

    monkeypatch.setattr(small_flow.FakeHost, "__post_init__", on_init)


def test_the_plan_of_a_new_cluster(tmp_path: Path, quiet_put: None) -> None:
    rehearsal, flow = rehearse_small(tmp_path)
    changes = [(line.phase, line.node, line.title) for line in rehearsal.changes]
    assert changes.count(("Machines", "cp-1", "create machine")) == 1
    assert ("Join", "work-2", "join") in changes
    assert ("Join", "cp-1", "found") in changes
    assert all(line.predicted for line in rehearsal.changes)
    assert flow.state.load() is None
    assert all(host.round_trips == 0 for host in flow.hosts.hosts.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.jsonl"]
    assert (tmp_path / "journal.jsonl").read_bytes() == b""


def test_the_plan_of_a_finished_cluster_is_empty(tmp_path: Path, quiet_put: None) -> None:
    small_flow.make(tmp_path, lambda _what: None).run()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "journal.jsonl"}
    rehearsal, _ = rehearse_small(tmp_path)
    assert rehearsal.changes == []
    assert len(rehearsal.planned) > 10
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in ("record", "machines.json")}
    assert after == {name: data for name, data in before.items() if name in after}


def test_a_plan_names_the_node_that_does_not_answer(tmp_path: Path, quiet_put: None) -> None:
    small_flow.make(tmp_path, lambda _what: None).run()
    flow = small_flow.make(tmp_path, lambda _what: None)
    del flow.hosts.hosts["work-1"]
    rig, _ = rehearsing(flow.rig)
    record = flow.state.load()
    assert record is not None
    with pytest.raises(ConnectError, match="work-1"):
        run_phases(small_flow.PHASES, Cluster(spec=ClusterSpec(name="c"), record=record, plan=Plan(leases=())), rig)


def test_a_rig_says_which_run_it_is_for() -> None:
    rig = Rig(transport=FakeTransport(), state=MemoryState(), machines=lambda _name: FakeMachines(), emit=lambda _event: None)
    assert (rig.verb, rig.stop.requested) == ("up", False)


class Foretelling(FakeMachines):
    """A provider that previews; asked once, and made nothing."""

    def __init__(self, *told: MachineChange) -> None:
        super().__init__()
        self.told = told
        self.asked: list[tuple[list[str], list[str]]] = []

    def preview(self, wanted: Sequence[MachineRequest], leaving: Sequence[str]) -> Sequence[MachineChange]:
        self.asked.append(([request.name for request in wanted], list(leaving)))
        return self.told


def foretold(node: str, action: Action, kind: str = "server", **more: Any) -> MachineChange:
    return MachineChange(node=node, action=action, kind=kind, name=f"c-{node or kind}", provider="sky", **more)


def test_a_preview_is_asked_once_and_tells_what_happens_to_which_node() -> None:
    real = Foretelling(
        foretold("new", "create", detail="cx22"),
        foretold("kept", "replace", cause=("image",)),
        foretold("kept", "update", "volume"),
        foretold("", "create", "network"),
        foretold("old", "delete"),
        foretold("old", "delete", "volume"),
    )
    real.apply([request(name) for name in ("kept", "same", "old")])
    rehearsal = Rehearsal(leaving={"sky": ["old"], "elsewhere": ["x"]})
    machines = RehearsalMachines(real, rehearsal, rehearsal.hear, "sky")
    made = machines.apply([request("new"), request("kept"), request("same")])
    assert [machine.id for machine in made] == ["", "", "fake-2"]
    assert rehearsal.existing == {"same", "old"}  # what will be replaced cannot be asked
    assert not any(line.node == "old" for line in rehearsal.planned)
    machines.delete(["old"])
    assert real.asked == [(["new", "kept", "same"], ["old"])]
    assert [line.title for line in rehearsal.changes] == [
        "create machine", "replace machine", "update volume c-kept", "create network c-network", "delete machine",
        "delete volume c-old",
    ]  # fmt: skip
    assert [(x.node, x.action) for x in rehearsal.machines] == [
        ("new", "create"), ("kept", "replace"), ("kept", "update"), ("", "create"), ("same", "keep"), ("old", "delete"),
        ("old", "delete"),
    ]  # fmt: skip


def test_where_no_node_stays_the_preview_is_asked_when_the_last_one_goes() -> None:
    real = Foretelling(foretold("old", "delete"), foretold("", "delete", "network"))
    real.apply([request("old")])
    rehearsal = Rehearsal(leaving={"sky": ["old"]})
    machines = RehearsalMachines(real, rehearsal, rehearsal.hear, "sky")
    machines.delete(["old"])
    assert real.asked == [([], ["old"])]
    assert [line.title for line in rehearsal.changes] == ["delete network c-network", "delete machine"]
    assert list(real.survey())


def test_without_a_preview_the_survey_tells_and_placements_say_where() -> None:
    rehearsal = Rehearsal()
    placed = replace(request("new"), placement={"size": "cx22", "location": "fsn1", "price": 4.51})
    RehearsalMachines(FakeMachines(), rehearsal, rehearsal.hear, "sky").apply([placed])
    assert rehearsal.machines == [
        MachineChange(node="new", action="create", kind="server", name="new", provider="sky", detail="cx22, fsn1")
    ]
