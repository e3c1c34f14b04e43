"""One script, one node: what is sent, what comes back, what a failure becomes."""

from __future__ import annotations

import pytest

from sloth.engine.drive import drive
from sloth.engine.journal import Journal, read
from sloth.engine.stop import Stop
from sloth.errors import ConnectError, InternalError, Interrupted, StepError
from sloth.model.event import Event
from sloth.model.node import Login
from sloth.model.secret import MASK, mask
from sloth.model.step import Ask, Do, Put, Result, Retry, Script, Step, Wait
from sloth.testing import FakeNode, FakeTransport


class Drive:
    """A scripted node and everything that driving it left behind."""

    def __init__(self, tmp_path) -> None:
        self.transport = FakeTransport()
        self.node: FakeNode = self.transport.node("n1")
        self.events: list[Event] = []
        self.journal = Journal(tmp_path / "journal.jsonl", run="r1")
        self.stop = Stop()

    def __call__(self, script: Script[object]) -> object:
        session = self.transport.open(Login(node="n1", address="192.0.2.1"))
        return drive(script, session, node="n1", phase="Prepare", emit=self.events.append, journal=self.journal, stop=self.stop)

    def kinds(self) -> list[tuple[str, str]]:
        return [(event.kind, event.title) for event in self.events]


@pytest.fixture
def run(tmp_path) -> Drive:
    return Drive(tmp_path)


def ask(title: str, **fields: object) -> Ask:
    return Ask(title=title, run=f"cat {title}", **fields)  # type: ignore[arg-type]


def do(title: str, **fields: object) -> Do:
    return Do(title=title, run=f"make {title}", **fields)  # type: ignore[arg-type]


def test_one_step_gets_one_result_and_a_list_gets_a_list(run: Drive) -> None:
    run.node.on("a", answer="1").on("b", answer="2").on("c", answer="3")

    def script() -> Script[list[str]]:
        first = yield ask("a")
        assert isinstance(first, Result)
        both = yield [ask("b"), do("c")]
        assert isinstance(both, list)
        nothing = yield []
        assert nothing == []
        return [first.out, *(result.out for result in both)]

    assert run(script()) == ["1", "2", "3"]
    assert run.node.round_trips == 2


def test_a_script_without_steps_reaches_nobody(run: Drive) -> None:
    def script() -> Script[int]:
        return 7
        yield

    assert run(script()) == 7
    assert run.events == []


def test_events_tell_the_whole_story(run: Drive) -> None:
    run.node.on("look").on("make").on("again", answer=Result(changed=False))

    def script() -> Script[None]:
        yield [ask("look"), do("make"), do("again")]

    run(script())
    assert run.kinds() == [
        ("script-started", ""),
        ("step-started", "look"),
        ("step-started", "make"),
        ("step-started", "again"),
        ("step-finished", "look"),
        ("step-finished", "make"),
        ("step-finished", "again"),
        ("script-finished", ""),
    ]
    assert [event.changed for event in run.events[4:]] == [False, True, False, True]
    assert run.events[0].total == 3
    assert all(event.phase == "Prepare" and event.node == "n1" for event in run.events)


def test_the_journal_has_a_line_before_and_after_each_changing_step(run: Drive) -> None:
    seen: list[int] = []
    run.node.on("look").on("make", answer=lambda _step: seen.append(len(read(run.journal.path))) or "")
    run.node.on("write /etc/x")

    def script() -> Script[None]:
        yield [ask("look"), do("make"), Put(path="/etc/x", content="x")]

    run(script())
    assert seen == [2], "both lines are there before the step runs"
    lines = [(line["kind"], line["step"], line.get("changed")) for line in read(run.journal.path)]
    assert lines == [
        ("before", "make", None),
        ("before", "write /etc/x", None),
        ("after", "make", True),
        ("after", "write /etc/x", True),
    ]


def test_a_failed_step_is_thrown_into_the_script(run: Drive) -> None:
    run.node.on("one").on("two", answer=Result(exit=3, out="said", err="\n".join(f"line {n}" for n in range(50)), changed=True))
    run.node.on("clean up")

    def script() -> Script[None]:
        try:
            yield [do("one"), do("two"), do("three")]
        finally:
            yield do("clean up")

    with pytest.raises(StepError) as failure:
        run(script())
    error = failure.value
    assert (error.code, error.where, error.hint) == ("step/failed", "n1", "sloth up")
    assert error.summary == "n1: “two” failed with status 3"
    assert error.detail.splitlines()[0] == "$ make two"
    assert error.detail.splitlines()[-1] == "line 49"
    assert len(error.detail.splitlines()) == 21
    assert [step.title for step in run.node.received] == ["one", "two", "clean up"]
    assert ("step-finished", "two") in [(event.kind, event.title) for event in run.events if not event.ok]
    assert [line["ok"] for line in read(run.journal.path) if line["kind"] == "after"] == [True, False, True]
    assert run.events[-1].kind == "script-finished"
    assert not run.events[-1].ok


def test_a_script_may_go_on_after_a_failure(run: Drive) -> None:
    run.node.on("bad", answer=Result(exit=1)).on("other", answer="fine")

    def script() -> Script[str]:
        try:
            yield do("bad")
        except StepError:
            result = yield ask("other")
            assert isinstance(result, Result)
            return result.out
        return "never"

    assert run(script()) == "fine"


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        (do("x", hint="sloth doctor"), "sloth doctor"),
        (Wait(title="x", until="test -e /x", hint="sloth ssh n1"), "sloth ssh n1"),
        (Wait(title="x", until="test -e /x"), "sloth up"),
        (ask("x"), "sloth up"),
    ],
)
def test_the_hint_is_the_steps_own(run: Drive, step: Step, hint: str) -> None:
    run.node.on("x", answer=Result(exit=124, err="timed out"))

    def script() -> Script[None]:
        yield step

    with pytest.raises(StepError) as failure:
        run(script())
    assert (failure.value.code, failure.value.hint) == ("step/timed-out", hint)
    assert f"after {step.timeout:g} s" in failure.value.summary


@pytest.mark.parametrize(
    "words",
    [
        "cp: error writing '/var/x': No space left on device",  # the C library
        "open /var/lib/etcd/member/wal/0.tmp: no space left on device",  # Go
    ],
)
def test_a_full_disk_is_named_whoever_says_it(run: Drive, words: str) -> None:
    run.node.on("x", answer=Result(exit=1, err=f"first\n{words}"))

    def script() -> Script[None]:
        yield do("x", hint="sloth doctor")

    with pytest.raises(StepError) as failure:
        run(script())
    assert (failure.value.code, failure.value.hint) == ("node/disk-full", "sloth ssh n1 -- df -h")
    assert words in failure.value.detail


def test_a_question_that_may_fail_is_an_answer(run: Drive) -> None:
    run.node.on("maybe", answer=Result(exit=1)).on("after")

    def script() -> Script[int]:
        results = yield [ask("maybe", check=False), ask("after")]
        assert isinstance(results, list)
        return results[0].exit

    assert run(script()) == 1


def test_retries_begin_at_the_failed_step(run: Drive) -> None:
    run.node.on("first").on("flaky", answer=Result(exit=1), times=2).on("flaky").on("last")
    retry = Retry(attempts=3, delay=0, reason="the mirror may be busy")

    def script() -> Script[None]:
        yield [do("first"), do("flaky", retry=retry), do("last")]

    run(script())
    assert [step.title for step in run.node.received] == ["first", "flaky", "flaky", "flaky", "last"]
    notes = [event.title for event in run.events if event.kind == "note"]
    assert notes == [f"flaky: attempt {n} of 3 (the mirror may be busy)" for n in (2, 3)]


def test_retries_have_an_end_for_each_step(run: Drive) -> None:
    retry = Retry(attempts=2, delay=0, reason="r")
    run.node.on("a", answer=Result(exit=1), times=1).on("a").on("b", answer=Result(exit=5))

    def script() -> Script[None]:
        yield [do("a", retry=retry), do("b", retry=retry)]

    with pytest.raises(StepError, match="status 5"):
        run(script())
    assert [step.title for step in run.node.received] == ["a", "a", "b", "b"]


def test_secret_output_is_learnt_and_never_shown(run: Drive, tmp_path) -> None:
    run.node.on("token", answer="tok-12345-very-secret").on("use", answer=Result(exit=1, err="bad tok-12345-very-secret"))

    def script() -> Script[None]:
        yield ask("token", secret=True)
        yield do("use")

    with pytest.raises(StepError) as failure:
        run(script())
    assert mask("tok-12345-very-secret") == MASK
    assert "tok-12345" not in failure.value.detail
    assert "tok-12345" not in (tmp_path / "journal.jsonl").read_text()


def test_the_output_of_a_secret_step_is_no_evidence(run: Drive) -> None:
    run.node.on("make", answer=Result(exit=1, out="abc"))

    def script() -> Script[None]:
        yield do("make", secret=True)

    with pytest.raises(StepError) as failure:
        run(script())
    assert failure.value.detail == "$ make make"


def test_a_lost_connection_is_thrown_in_too(run: Drive) -> None:
    run.node.drop().on("clean")
    seen: list[str] = []

    def script() -> Script[None]:
        try:
            yield do("x")
        finally:
            seen.append("cleaned")

    with pytest.raises(ConnectError):
        run(script())
    assert seen == ["cleaned"]


@pytest.mark.parametrize("answer", [[], [Result()]])
def test_missing_results_are_a_defect(tmp_path, answer: list[Result]) -> None:
    class Short:
        def run(self, _steps: object) -> list[Result]:
            return answer

        def close(self) -> None: ...

    def script() -> Script[None]:
        yield [ask("a"), ask("b")]

    with pytest.raises(InternalError, match=f"{len(answer)} results came back"):
        drive(script(), Short(), node="n", phase="p", emit=lambda _: None, journal=Journal(tmp_path / "j"))


def test_an_asked_for_end_interrupts_once_then_cleans_up(run: Drive) -> None:
    def stop(_step: Step) -> str:
        run.stop.request()
        return ""

    run.node.on("one", answer=stop).on("clean up")

    def script() -> Script[None]:
        try:
            yield do("one")
            yield do("two")
        finally:
            yield do("clean up")

    with pytest.raises(Interrupted) as end:
        run(script())
    assert end.value.hint == "sloth up"
    assert [step.title for step in run.node.received] == ["one", "clean up"]
