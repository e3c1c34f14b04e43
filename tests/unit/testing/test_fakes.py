"""The fakes keep the contracts, and fail on what nobody foresaw."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from sloth.errors import ConnectError, StateError
from sloth.model.node import Login
from sloth.model.plan import MachineRequest
from sloth.model.record import Record
from sloth.model.secret import Secret, known_values
from sloth.model.step import Ask, Do, Put, Result, Script, Upload, Wait
from sloth.testing import FakeHost, FakeHosts, FakeMachines, FakeTransport, MemoryState, Unexpected, compare, rehearse

LOGIN = Login(node="n1", address="192.0.2.1")


def test_a_scripted_node_answers_by_title_and_by_command() -> None:
    transport = FakeTransport()
    node = transport.node("n1").on("exact", answer="by title").on(run=r"^systemctl .* ssh$", answer=Result(exit=3))
    node.on(run="write|/etc", answer=lambda step: f"called for {step.title}")
    session = transport.open(LOGIN)
    results = session.run(
        [
            Ask(title="exact", run="cat x"),
            Put(path="/etc/x", content="x"),
            Ask(title="any", run="systemctl is-active ssh", check=False),
            Do(title="exact", run="make"),
        ]
    )
    assert [result.out for result in results] == ["by title", "called for write /etc/x", "", "by title"]
    assert [result.changed for result in results] == [False, True, False, True]
    assert transport.round_trips["n1"] == 1
    assert [(name, step.title) for name, step in transport.received][-1] == ("n1", "exact")
    session.close()
    with pytest.raises(Unexpected, match="after it was closed"):
        session.run([])


def test_a_scripted_node_fails_on_the_unexpected() -> None:
    transport = FakeTransport()
    transport.node("n1").on("once", times=1)
    session = transport.open(LOGIN)
    session.run([Do(title="once", run="x")])
    for step in (Do(title="once", run="x"), Wait(title="typo", until="true"), Upload(path="/x", source="/y", sha256="")):
        with pytest.raises(Unexpected, match="nothing was scripted"):
            session.run([step])
    with pytest.raises(Unexpected, match="was not scripted"):
        transport.open(replace(LOGIN, node="n2"))
    transport.node("n1").drop()
    with pytest.raises(ConnectError):
        session.run([Do(title="once", run="x")])


def test_a_scripted_node_stops_at_the_first_failure() -> None:
    transport = FakeTransport()
    node = transport.node("n1").on("bad", answer=Result(exit=1)).on("after")
    assert len(transport.open(LOGIN).run([Do(title="bad", run="x"), Do(title="after", run="y")])) == 1
    assert len(node.received) == 1


def test_a_host_has_files_and_guards(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_bytes(b"\x7fELF")
    host = FakeHost("n1").on(r"install (\w+)", lambda host, match: host.write(f"/usr/bin/{match[1]}", "x"))
    steps = [
        Do(title="install", run="install tool", unless="test -e /usr/bin/tool"),
        Put(path="/etc/a", content=Secret("secret-content"), mode=0o600, then="echo told"),
        Put(path="/etc/b", content=b"bytes"),
        Upload(path="/opt/p", source=str(source), sha256=hashlib.sha256(b"\x7fELF").hexdigest()),
        Wait(title="there", until="test -f /etc/a"),
        Ask(title="read", run="cat /etc/a"),
    ]
    first, second = host.run(steps), host.run(steps)
    assert [result.changed for result in first] == [True, True, True, True, False, False]
    assert [result.changed for result in second] == [False] * 6
    assert (first[1].out, first[5].out, host.read("/opt/p")) == ("told", "secret-content", b"\x7fELF")
    assert host.files["/etc/a"][1:] == (0o600, "root:root")
    assert [title for title, _ in host.ran].count("install") == 1
    assert host.round_trips == 2


def test_commands_of_a_host_can_be_joined_and_can_fail() -> None:
    host = FakeHost("n1").on("bad", lambda _host, _match: Result(exit=9, err="no")).on("three", lambda _host, _match: 3)
    said = host.run([Ask(title="a", run="true && echo 'a b' && :"), Ask(title="b", run="false && echo x", check=False)])
    assert [(result.exit, result.out) for result in said] == [(0, "a b"), (1, "")]
    assert host.run([Do(title="bad", run="bad"), Do(title="never", run="true")]) == [Result(exit=9, err="no", changed=True)]
    assert host.run([Ask(title="three", run="three")])[0].exit == 3
    host.write("/x", "1")
    assert host.run([Do(title="remove", run="rm -f /x && rm -f /x")])[0].ok
    assert host.files == {}
    assert host.run([Ask(title="read", run="cat /x")])[0].exit == 1
    assert host.run([Wait(title="w", until="false", timeout=2)]) == [Result(exit=124, err="timed out after 2 s")]
    with pytest.raises(Unexpected, match="no handler for the command 'unheard of'"):
        host.run([Do(title="x", run="unheard of")])
    host.close()


def test_a_host_refuses_another_digest(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_bytes(b"tampered")
    result = FakeHost("n1").run([Upload(path="/opt/p", source=str(source), sha256="0" * 64)])[0]
    assert (result.exit, "digest mismatch" in result.err) == (1, True)


def test_a_host_outlives_its_process(tmp_path: Path) -> None:
    after: list[str] = []
    host = FakeHost("n1", tmp_path, after_step=lambda step: after.append(step.title))
    host.facts["count"] = 1
    host.run([Put(path="/etc/a", content="x")])
    again = FakeHost("n1", tmp_path)
    assert (again.text("/etc/a"), again.facts, again.ran) == ("x", {"count": 1}, [("write /etc/a", "/etc/a")])
    assert after == ["write /etc/a"]


def test_unknown_hosts_cannot_be_reached() -> None:
    hosts = FakeHosts()
    host = hosts.add(FakeHost("n1"))
    assert hosts.open(LOGIN) is host
    with pytest.raises(ConnectError):
        hosts.open(replace(LOGIN, node="n2"))


def request(name: str) -> MachineRequest:
    return MachineRequest(name=name, cluster="c", pool="p", role="worker", boot_key_public=f"key of {name}")


def test_machines_are_made_once_and_outlive_their_process(tmp_path: Path) -> None:
    done: list[str] = []
    machines = FakeMachines(tmp_path, after=done.append)
    first = machines.apply([request("a"), request("b")])
    assert [(machine.name, machine.id, machine.host_key) for machine in first] == [
        ("a", "fake-1", "key of a"), ("b", "fake-2", "key of b"),
    ]  # fmt: skip
    machines.stop("b")
    again = FakeMachines(tmp_path, after=done.append)
    assert [machine.running for machine in again.survey()] == [True, False]
    assert [machine.id for machine in again.apply([request("b"), request("a"), request("c")])] == ["fake-2", "fake-1", "fake-3"]
    again.delete(["a", "ghost"])
    assert again.leftovers() == ["machine b", "machine c"]
    again.destroy()
    assert again.leftovers() == FakeMachines(tmp_path).leftovers() == []
    assert done == ["made a", "made b", "started b", "made c", "deleted a", "deleted b", "deleted c"]
    assert FakeMachines().apply([request("x")])[0].address == "192.0.2.1"


def test_state_keeps_revisions_and_its_lock(tmp_path: Path) -> None:
    saved: list[int] = []
    state = MemoryState(tmp_path / "record", after_save=lambda record: saved.append(record.revision))
    assert state.load() is None
    record = state.save(Record(cluster="c", ssh_key=Secret("a-private-key-of-state")))
    assert (record.revision, state.saves, saved) == (1, 1, [1])
    with pytest.raises(StateError, match="revision 1, not 0"):
        state.save(Record(cluster="c"))
    state.save(record.with_node("a", joined=True))
    again = MemoryState(tmp_path / "record").load()
    assert again == state.load()
    assert again is not None
    assert again.ssh_key == Secret("a-private-key-of-state")
    assert "a-private-key-of-state" in known_values()
    state.lock("up")
    with pytest.raises(StateError, match="locked by `sloth up`"):
        state.lock("down")
    state.unlock()
    state.lock("down")
    state.delete()
    assert state.load() is None
    assert MemoryState(tmp_path / "record").load() is None
    memory = MemoryState()
    memory.save(Record(cluster="c"))
    memory.delete()
    assert memory.load() is None


def test_golden_files(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with pytest.raises(AssertionError, match="--update-golden"):
        compare(path, "a\nb\n")
    compare(path, "a\nb\n", update=True)
    compare(path, "a\nb\n")
    with pytest.raises(AssertionError, match=r"\+c"):
        compare(path, "a\nc\n")


def test_a_script_can_be_looked_at() -> None:
    def script() -> Script[None]:
        seen = yield Ask(title="look", run="cat x", expected="new")
        assert isinstance(seen, Result)
        if seen.out == "new":
            results = yield [Do(title="make", run="make"), Put(path="/x", content="")]
            assert isinstance(results, list)
            assert [result.changed for result in results] == [True, True]
        if not seen.ok:
            yield Do(title="mend", run="mend")

    assert [step.title for step in rehearse(script())] == ["look", "make", "write /x"]
    assert [step.title for step in rehearse(script(), {"look": "old"})] == ["look"]
    assert [step.title for step in rehearse(script(), {"look": Result(exit=1)})] == ["look", "mend"]
