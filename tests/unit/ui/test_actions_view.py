"""GitHub Actions: groups that open and close, annotations at the right line, and nobody but us gives commands."""

import io

import pytest

from sloth.errors import ConfigError, ManyErrors, StepError
from sloth.model.event import Event
from sloth.model.secret import Secret
from sloth.ui.actions_view import ActionsView, annotate, harmless, no_commands, on_actions


def shown(*events, **settings):
    stream = io.StringIO()
    view = ActionsView(stream, **settings)
    for event in events:
        view.take(event)
    view.close()
    return stream.getvalue().splitlines()


def phase(kind, title, **more):
    return Event(kind=f"phase-{kind}", phase=title, title=title, at=1.0, **more)


def step(title, node="work-1", **more):
    return Event(kind="step-finished", phase="Mesh", node=node, title=title, at=1.0, **more)


def test_a_phase_is_a_group_and_its_outcome_stands_after_it():
    lines = shown(phase("started", "Mesh"), step("x", changed=True), phase("finished", "Mesh", changed=True))
    assert lines[0] == "::group::Mesh"
    assert lines[1] == "::endgroup::"
    assert lines[2].endswith("Mesh: 0.0 s, 1 node, 1 changed")


def test_a_phase_that_finds_nothing_to_do_leaves_nothing():
    assert shown(phase("started", "Mesh"), phase("skipped", "Mesh")) == []


def test_groups_are_never_nested_and_none_stays_open():
    lines = shown(
        phase("started", "Mesh"), step("x"), phase("started", "Other"),
        Event(kind="progress", phase="Other", title="build", done=1, total=2, at=1.0), step("y"),
    )  # fmt: skip
    depth = 0
    for line in lines:
        depth += line.startswith("::group::") - (line == "::endgroup::")
        assert depth in (0, 1)
    assert depth == 0
    assert lines[0] == "::group::Mesh"


def test_a_warning_is_an_annotation_too():
    lines = shown(phase("started", "Mesh"), Event(kind="warning", phase="Mesh", node="a-1", title="100% odd\nreally", at=1.0))
    assert "::warning title=sloth::a-1: 100%25 odd%0Areally" in lines


COMMANDS = [
    "::error::x", "  ::set-output name=a::b", "\t::add-mask::e", "a\n::stop-commands::t", "x ##[error]y", "a\r::debug::x",
    "\u2003::error::x", "\x0b::error::x",
]  # fmt: skip


@pytest.mark.parametrize("text", COMMANDS)
def test_what_nodes_say_commands_nothing(text):
    kinds = ("note", "failure", "machine")
    events = [Event(kind=kind, phase="Mesh", node="a-1", title="t", detail=text, at=1.0) for kind in kinds]
    events += [Event(kind="note", phase="Mesh", title=text, at=1.0)]
    ours = ("::group::Mesh", "::endgroup::")
    for line in [*harmless(text).split("\n"), *shown(phase("started", "Mesh"), *events, step(text), debug=True)]:
        assert line in ours or not line.lstrip().startswith("::"), line
        assert "##[" not in line


def test_a_problem_of_the_spec_is_annotated_at_its_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    problems = (
        ConfigError("config/format", "wrong, 50%: no", where="deploy/sloth.yaml:12:5", hint="use x"),
        ConfigError("config/type", "not a number", where=f"{tmp_path}/over.yaml:3:1", hint="a number"),
        ConfigError("config/other", "odd", where="spec.pools", hint="x"),
    )
    stream = io.StringIO()
    error = ConfigError("config/many", "3 problems", hint="y", problems=problems)
    annotate(error, stream, {"GITHUB_WORKSPACE": str(tmp_path)})
    assert stream.getvalue().splitlines() == [
        "::error title=sloth config/format,file=deploy/sloth.yaml,line=12,col=5::"
        "wrong, 50%25: no (deploy/sloth.yaml:12:5)%0Anext: use x",
        f"::error title=sloth config/type,file=over.yaml,line=3,col=1::not a number ({tmp_path}/over.yaml:3:1)%0Anext: a number",
        "::error title=sloth config/other::odd (spec.pools)%0Anext: x",
    ]


def test_not_more_annotations_than_are_shown_and_no_secret_in_them():
    secret = Secret("hunter2-hunter2-hunter3").reveal()
    stream = io.StringIO()
    annotate(ManyErrors("x", [StepError("step/failed", f"{secret} {n}", hint=secret) for n in range(30)]), stream, {})
    assert len(stream.getvalue().splitlines()) == 10
    assert secret not in stream.getvalue()


def test_between_the_tokens_nothing_commands():
    stream = io.StringIO()
    with pytest.raises(KeyError), no_commands(stream):
        stream.write("::error::from a node\n")
        raise KeyError
    first, _, last = stream.getvalue().splitlines()
    token = first.removeprefix("::stop-commands::")
    assert len(token) == 32
    assert last == f"::{token}::"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_it_is_for_actions_without_a_terminal():
    assert on_actions(io.StringIO(), {"GITHUB_ACTIONS": "true"})
    assert not on_actions(io.StringIO(), {})
    assert not on_actions(io.StringIO(), {"GITHUB_ACTIONS": "false"})
    assert not on_actions(Terminal(), {"GITHUB_ACTIONS": "true"})
