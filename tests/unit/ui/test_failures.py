"""How failures are shown: to people as a panel or as plain lines, to programs as the envelope."""

import io
import json
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import jsonschema
import pytest
from rich.console import Console

from sloth import errors
from sloth.errors import ConfigError, ConnectError, ManyErrors, SlothError, StepError
from sloth.model.event import Event
from sloth.model.options import Options
from sloth.model.secret import Secret
from sloth.ui import error_panel
from sloth.ui.console import stderr, stdout
from sloth.ui.json_view import envelope

SCHEMA = json.loads(files("sloth.ui").joinpath("envelope.schema.json").read_text())
CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SlothError)]


def show(error, monkeypatch, *, terminal=True, **settings):
    console = Console(record=True, file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)
    monkeypatch.setattr(error_panel, "stderr", lambda _options: console)
    error_panel.show(error, Options(), **settings)
    return console.export_text()


def checked(text):
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    return document


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_shows_summary_evidence_code_hint_and_log(kind, terminal, monkeypatch):
    error = kind("step/failed", "it broke", detail="line one\nline two", hint="sloth up")
    text = show(error, monkeypatch, terminal=terminal, log_path="/tmp/up.log")
    for word in ("step/failed", "it broke", "line one", "line two", "next: sloth up", "full log: /tmp/up.log"):
        assert word in text


def test_a_group_is_one_panel_for_each_code(monkeypatch):
    many = ManyErrors("nodes failed", [
        ConnectError("connect/unreachable", "a does not answer", hint="check the firewall"),
        StepError("step/failed", "b broke", hint="sloth up"),
        ManyErrors("more", [ConnectError("connect/unreachable", "c does not answer", hint="check the firewall")]),
    ])  # fmt: skip
    text = show(many, monkeypatch)
    assert text.count("connect/unreachable") == 1
    assert text.count("next: check the firewall") == 1
    assert text.count("next: sloth up") == 1
    assert text.index("a does not answer") < text.index("c does not answer") < text.index("b broke")


def test_failures_of_a_large_group_are_named_and_one_cause_is_shown_once(monkeypatch):
    def failures(detail):
        return [
            StepError("step/failed", f"n{n}: broke", detail=detail(n), where=f"n{n}", hint=f"look at n{n}") for n in range(20)
        ]

    text = show(ManyErrors("many", failures(lambda n: f"cause {n}.")), monkeypatch)
    assert "20 times" in text
    assert "cause 2." in text
    assert "cause 3." not in text
    assert all(f"n{n}" in text for n in range(20))
    alike = show(ManyErrors("many", failures(lambda n: "the one cause")), monkeypatch)
    assert alike.count("the one cause") == 1
    assert "n7: broke" in alike
    assert all(f"n{n}" in alike for n in range(20))
    debug = show(ManyErrors("many", failures(lambda n: f"cause {n}.")), monkeypatch, debug=True)
    assert "cause 19." in debug
    assert "next: look at n19" in debug


def test_where_it_was_is_said_once(monkeypatch):
    text = show(StepError("step/failed", "it broke", where="/the/file", hint="sloth up"), monkeypatch)
    assert "at /the/file" in text
    text = show(StepError("step/failed", "/the/file broke", where="/the/file", hint="sloth up"), monkeypatch)
    assert text.count("/the/file") == 1


def test_the_place_in_the_docs_is_named_and_hints_stand_alone(monkeypatch):
    """A hint inside the frame could not be copied as one line."""
    lines = show(StepError("state/wrong-passphrase", "x", hint="type " + "y" * 200), monkeypatch).splitlines()
    assert "next: type " + "y" * 200 in lines
    # GitHub and others make `### `state/wrong-passphrase`` an anchor without the slash
    assert "docs: docs/troubleshooting.md#statewrong-passphrase" in lines


def test_debug_adds_a_masked_traceback(monkeypatch):
    secret = Secret("correct-horse-battery")
    try:
        raise StepError("step/failed", "it broke", hint="sloth up") from ValueError(secret.reveal())
    except StepError as error:
        text = show(error, monkeypatch, debug=True)
    assert "Traceback" in text
    assert "ValueError: ***" in text


def test_data_may_hold_what_the_model_holds():
    data = {
        "map": MappingProxyType({"a": Path("/x")}),
        "set": {2, 1},
        "secret": Secret("shown-to-nobody"),
        "event": Event(kind="note", at=1),
    }
    document = checked(envelope("Thing", data=data))
    assert document["data"]["map"] == {"a": "/x"}
    assert document["data"]["set"] == [1, 2]
    assert document["data"]["secret"] == "***"
    assert document["data"]["event"]["kind"] == "note"


def test_long_evidence_is_cut_at_the_front_but_not_with_debug(monkeypatch):
    error = StepError("step/failed", "it broke", detail="\n".join(f"line {n}" for n in range(50)), hint="sloth up")
    text = show(error, monkeypatch)
    assert "line 49" in text
    assert "line 29" not in text
    assert "30 lines more in the log" in text
    assert "line 0 " in show(error, monkeypatch, debug=True)


@pytest.mark.parametrize("terminal", [True, False])
def test_problems_of_a_spec_are_shown_one_by_one(terminal, monkeypatch):
    one = ConfigError("config/format", "no number", where="sloth.yaml:3:5", detail="rule: a number", hint="write 3")
    two = ConfigError("config/unknown-key", "no such key", hint="remove it")
    text = show(ConfigError("config/many", "2 problems", hint="look", problems=(one, two)), monkeypatch, terminal=terminal)
    for word in (
        "2 problems",
        "sloth.yaml:3:5: no number",
        "[config/format]",
        "rule: a number",
        "next: write 3",
        "next: remove it",
    ):
        assert word in text
    assert text.index("no number") < text.index("no such key")


def test_secrets_and_markup_are_not_interpreted(monkeypatch):
    secret = Secret("correct-horse-battery")
    error = StepError("step/failed", f"[red]{secret.reveal()}", detail=f"[/] {secret.reveal()}", hint=f"echo {secret.reveal()}")
    text = show(error, monkeypatch)
    assert "correct-horse" not in text
    assert "[red]***" in text
    assert "[/] ***" in text
    assert "correct-horse" not in envelope("Error", error=error, warnings=[f"uses {secret.reveal()}"])


def test_without_a_terminal_no_line_is_wrapped_or_framed(monkeypatch):
    error = StepError("step/failed", "x" * 300, hint="y" * 300)
    text = show(error, monkeypatch, terminal=False)
    assert "x" * 300 in text
    assert "y" * 300 in text
    assert "─" not in text
    assert text.startswith("error step/failed\n")


def test_success_in_the_envelope():
    document = checked(envelope("Plan", data={"a": [1, None, "ä"]}, warnings=["careful"]))
    assert document["ok"] is True
    assert document["data"] == {"a": [1, None, "ä"]}
    assert document["warnings"] == ["careful"]
    assert document["errors"] == []


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_in_the_envelope(kind):
    document = checked(envelope("Error", error=kind("step/failed", "it broke", detail="d", where="w", hint="h")))
    assert document["ok"] is False
    assert document["errors"] == [
        {"code": "step/failed", "summary": "it broke", "detail": "d", "where": "w", "hint": "h", "exit": kind.exit}
    ]


def test_groups_and_problems_in_the_envelope():
    single = ConfigError("config/format", "no number", hint="write 3")
    wrapped = ConfigError("config/many", "2 problems", hint="look", problems=(single, single))
    document = checked(envelope("Error", error=ManyErrors("many", [wrapped, ManyErrors("more", [single])])))
    assert [error["code"] for error in document["errors"]] == ["config/format"] * 3


def test_the_exit_code_of_a_group_is_its_firsts():
    one = ConnectError("connect/lost", "gone", hint="sloth up")
    assert ManyErrors("many", [ManyErrors("inner", [one]), StepError("step/failed", "broke", hint="sloth up")]).exit == 13


def test_no_color_is_heeded(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    for options, colored in ((Options(no_color=True), False), (Options(), True)):
        monkeypatch.delenv("NO_COLOR", raising=False)
        for make in (stdout, stderr):
            console = make(options)
            with console.capture() as capture:
                console.print("text", style="red")
            assert ("\x1b[31m" in capture.get()) is colored
    monkeypatch.setenv("NO_COLOR", "1")
    with (console := stderr(Options())).capture() as capture:
        console.print("text", style="red")
    assert "\x1b[31m" not in capture.get()
