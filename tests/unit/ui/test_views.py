"""Every kind of event in every view: nothing fails, and what people need to know is there."""

import io
import json
import logging
import threading
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import get_args

import pytest
from rich.console import Console

from sloth.engine.bus import Bus
from sloth.model.event import Event, Kind
from sloth.model.secret import Secret
from sloth.ui.progress import duration
from sloth.ui.rich_view import RichView
from sloth.ui.streams import JsonLines, LogFile, PlainView

KINDS = get_args(Kind)


def console(*, record=True, terminal=True, width=100, height=40, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    return Console(record=record, file=stream, force_terminal=terminal, width=width, height=height, color_system=None)


def written(page):
    page.file.seek(0)
    return page.file.read()


def event(kind, **values):
    return Event(kind=kind, **{"phase": "Mesh", "title": "a title", "at": 1000.0, **values})


def rich(**settings):
    return RichView(console(**settings), clock=lambda: 1010.0)


def shown(view):
    return view._console.export_text(clear=False)


def picture(view):
    """What the live part shows now."""
    page = console()
    page.print(view._render())
    return page.export_text()


def feed(view, *events):
    for each in events:
        view.take(each)
    return view


def whole_script(node, *, ok=True, changed=True, at=1001.0):
    return [
        event("script-started", node=node, total=2, at=at),
        event("step-started", node=node, title="first", at=at),
        event("step-started", node=node, title="second", at=at),
        event("step-finished", node=node, title="first", changed=changed, at=at),
        event("step-finished", node=node, title="second", ok=ok, detail="" if ok else "boom", at=at),
        event("script-finished", node=node, changed=changed, ok=ok, at=at),
    ]


@pytest.mark.parametrize("ok", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_event_upsets_a_view(tmp_path, kind, ok):
    nodes = ["work-1"] if kind.startswith(("script", "step")) else ["", "work-1"]
    views = [
        PlainView(io.StringIO()),
        PlainView(io.StringIO(), debug=True),
        JsonLines(io.StringIO()),
        LogFile(tmp_path / "a.log"),
    ]
    settings = [{}, {"terminal": False}, {"width": 20, "height": 5}, {"encoding": "ascii"}, {"record": False}]
    views += [RichView(console(**each)) for each in settings]
    for view in views:
        for node in nodes:
            for total in (0, 3):
                it = event(kind, ok=ok, node=node, detail="a\nb", done=1, total=total, changed=True, predicted=True)
                feed(view, it, event("phase-started"), it, *whole_script("work-1"), it)
                if isinstance(view, RichView):
                    picture(view)
        view.close()


@pytest.mark.parametrize("width", [30, 60, 200])
def test_rich_shows_a_line_for_a_phase_that_is_over(width):
    view = feed(rich(width=width), event("phase-started", title="Prepare hosts"), *whole_script("cp-1"), *whole_script("work-1"))
    feed(view, event("phase-finished", title="Prepare hosts", changed=True, at=1002.5))
    text = shown(view)
    for words in ("✓ Prepare", "2.5 s", "2 nodes", "2 changed"):
        assert words in text.replace("\n", " ") or width == 30
    assert picture(view).strip() == ""


def test_rich_marks_what_failed_and_passes_over_what_was_skipped():
    view = feed(
        rich(),
        event("phase-started", phase="One", title="One"),
        *(replace(each, phase="One") for each in whole_script("work-1", ok=False)),
        event("phase-finished", phase="One", title="One", ok=False),
        event("phase-started", phase="Two", title="Two"),
        event("phase-skipped", phase="Two", title="Two"),
        event("phase-finished", phase="Three", title="Three"),  # without a beginning
        event("failure", title="it broke", detail="evidence"),
    )
    text = shown(view)
    assert "✗ One" in text
    assert "work-1  failed at: second" in text
    assert "Two" not in text
    assert "Three" not in text
    assert "it broke\n    evidence" in text


def test_rich_shows_running_nodes_and_counts_the_rest():
    view = feed(rich(), event("phase-started", title="Workers"))
    for number in range(40):
        feed(view, event("script-started", node=f"work-{number}", total=3))
        feed(view, event("step-started", node=f"work-{number}", title=f"step of {number}."))
    text = picture(view)
    assert "step of 0." in text
    assert "step of 39." not in text
    seen = sum(f"step of {number}." in text for number in range(40))
    assert f"and {40 - seen} more" in text
    for number in range(39):
        feed(view, event("script-finished", node=f"work-{number}"))
    text = picture(view)
    assert "step of 39." in text
    assert "step of 3." not in text
    view.close()
    assert "step of 39." in shown(view)  # a record of the picture ends with what was still running


def test_rich_shows_notes_warnings_and_progress():
    view = feed(
        rich(),
        event("note", title="a note"),
        event("warning", title="a warning", node="work-1"),
        event("progress", phase="", title="before any phase", done=1, total=2),
        event("phase-started", phase="A", title="Artifacts"),
        event("progress", phase="A", title="kubelet", detail="12 MB", done=1, total=2),
        event("machine", phase="A", node="work-1", title="booting", detail="cloud-init"),
    )
    text = picture(view)
    for words in ("kubelet", "12 MB", "50%", "work-1: booting", "cloud-init", "about 10.0 s left"):
        assert words in text
    feed(view, event("progress", phase="A", title="kubelet", detail="24 MB", done=2, total=2))
    assert "24 MB" not in picture(view)  # only what is still going on
    assert "! work-1: a warning" in shown(view)
    assert "  a note" in shown(view)


def test_rich_takes_markup_for_text():
    view = feed(rich(), event("note", title="[red]not markup[/red] [/]"), event("phase-started", title="[b]phase[/nope]"))
    feed(view, event("script-started", node="[n]", total=1), event("step-started", node="[n]", title="[/]"))
    assert "[red]not markup[/red] [/]" in shown(view)
    assert "[b]phase[/nope]" in picture(view)


def test_rich_draws_on_a_terminal_and_wipes_its_picture():
    page = console(record=False)
    view = feed(RichView(page), event("phase-started", title="Workers"), *whole_script("work-1")[:3])
    live = view._live
    assert live.is_started
    live.refresh()
    feed(view, event("phase-finished", title="Workers"))
    assert not live.is_started
    view.close()
    text = written(page)
    assert "first" in text
    assert "\x1b[2K" in text  # lines of the picture were taken away again
    assert "✓ Workers" in text


def test_rich_without_utf8_stays_in_ascii():
    view = feed(rich(encoding="ascii"), event("phase-started", title="Workers"), *whole_script("w"))
    feed(view, event("phase-finished", title="Workers", ok=True), event("phase-started", title="More"))
    view.close()
    assert written(view._console).isascii()


def plain(*events, debug=False, stream=None):
    stream = stream or io.StringIO()
    feed(PlainView(stream, debug=debug), *events).close()
    stream.seek(0)
    return stream.read().splitlines()


def test_plain_says_phases_changes_and_failures():
    lines = plain(
        event("run-started"),
        event("phase-started", title="Mesh"),
        *whole_script("a"),
        *whole_script("b", ok=False),
        *whole_script("c", changed=False),
        event("note", title="by the way"),
        event("warning", title="careful", node="a", detail="why"),
        event("failure", title="it broke"),
        event("phase-finished", title="Mesh", changed=True, ok=False, at=1003.0),
        event("phase-started", phase="Q", title="Q"),
        event("phase-skipped", phase="Q", title="Q"),
    )
    text = "\n".join(lines)
    assert "→ Mesh" in lines
    assert any(line.startswith("  ✓ a: ") and "1 change" in line for line in lines)
    assert any(line.startswith("  ✗ b: ") and "failed at: second" in line for line in lines)
    assert not any("c:" in line for line in lines)  # looked at, quickly, and fine
    assert "by the way" in text
    assert "warning: a: careful\n    why" in text
    assert "✗ it broke" in lines
    assert any(line.startswith("✗ Mesh: 3.0 s, 3 nodes") for line in lines)
    assert not any("Q" in line for line in lines)
    assert "\r" not in text
    assert "\x1b" not in text


def test_plain_with_debug_says_every_step():
    events = [event("phase-started"), event("step-finished", node="n", title="looked", predicted=True)]
    assert any("n: looked" in line and "predicted" in line for line in plain(*events, debug=True))
    assert not any("looked" in line for line in plain(*events))


def test_plain_tells_of_progress_every_ten_seconds_and_at_the_end():
    at = [0.0, 1.0, 9.0, 10.0, 11.0, 12.0]
    events = [event("progress", title="build", done=done, total=5, at=1000 + t) for done, t in enumerate(at)]
    assert [line.strip() for line in plain(*events)] == ["build 0%", "build 60%", "build 100%"]
    assert plain(event("machine", node="work-1", title="booting", detail="x")) == ["  work-1: booting x"]


def test_plain_tells_of_progress_without_a_total_as_rarely():
    """A count that grows is no share; each detail is another, and that is no reason for a line."""
    events = [event("progress", title="disks", detail=f"{n} so far", done=n, at=1000 + n / 4) for n in range(100)]
    events.append(event("progress", title="disks", detail="100 done", done=100, total=100, at=1025))
    assert [line.strip() for line in plain(*events)] == [
        "disks 0 so far", "disks 40 so far", "disks 80 so far", "disks 100% 100 done",
    ]  # fmt: skip


def test_plain_tells_of_what_begins_anew_and_of_each_word_from_a_machine():
    twice = [event("progress", title="build", done=done, total=2, at=1000) for done in (0, 1, 2, 0, 1, 2)]
    assert [line.strip() for line in plain(*twice)] == ["build 0%", "build 100%"] * 2
    said = [event("machine", node="work-1", title="booting", detail=word, at=1000) for word in ("x", "y")]
    assert [line.strip() for line in plain(*said)] == ["work-1: booting x", "work-1: booting y"]


def test_plain_without_utf8_stays_in_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    lines = plain(
        event("phase-started", title="P"), *whole_script("a", ok=False), event("phase-finished", title="P"), stream=stream
    )
    assert len(lines) >= 3


def test_json_lines_hold_every_field():
    stream = io.StringIO()
    view = JsonLines(stream)
    for kind in KINDS:
        view.take(event(kind, node="n\n", title="ä"))
    view.close()
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [row["kind"] for row in rows] == list(KINDS)
    assert all(set(row) == {field.name for field in fields(Event)} for row in rows)


def test_the_log_file_is_private_complete_and_masked(tmp_path):
    secret = Secret("hunter2-hunter2")
    log = LogFile(tmp_path / "logs" / "demo" / "up.log")
    kept_open = SimpleNamespace(take=log.take, close=lambda: None)
    with Bus([kept_open]) as bus:  # which masks
        bus.emit(event("step-finished", node="n", title="t", detail=f"first\n{secret.reveal()}", changed=True, ok=False))
    logging.getLogger("sloth.adapters.x").debug("key is %s", secret.reveal())
    assert "key is ***" in log.path.read_text()  # at once: a run may be killed
    log._handler.handle(logging.makeLogRecord({"name": "sloth.x", "msg": "wrong %d", "args": ("arguments",)}))
    log.close()
    log.close()
    text = log.path.read_text()
    assert "hunter2" not in text
    assert "step-finished [Mesh n] t changed FAILED" in text
    assert "    first\n    ***\n" in text
    assert "1970-01-01T00:16:40.000Z" in text
    assert "debug sloth.adapters.x: key is ***" in text
    assert "wrong %d ('arguments',)" in text
    assert log.path.stat().st_mode & 0o777 == 0o600
    for folder in (log.path.parent, log.path.parent.parent):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_closed_log_file_gives_the_loggers_back(tmp_path):
    loggers = [logging.getLogger(), logging.getLogger("sloth")]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    log = LogFile(tmp_path / "a.log")
    log.close()
    log._write(0.0, "late")  # from a thread that still had it in hand
    assert [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers] == before


def test_threads_do_not_tear_each_others_lines(tmp_path):
    log = LogFile(tmp_path / "a.log")
    work = [threading.Thread(target=lambda: [logging.getLogger("sloth.x").info("y" * 500) for _ in range(50)]) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    log.close()
    lines = log.path.read_text().splitlines()
    assert len(lines) == 200
    assert all(line.endswith("info sloth.x: " + "y" * 500) for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0.0 s"), (0.44, "0.4 s"), (59.9, "59.9 s"), (125, "2 min 05 s"), (3725, "1 h 02 min")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_a_recorded_run_becomes_a_picture_for_the_readme():
    page = Console(record=True, file=io.TextIOWrapper(io.BytesIO(), "utf-8"), force_terminal=True, width=80, height=24)
    view = feed(RichView(page, clock=lambda: 1010.0), event("phase-started", phase="A", title="Artifacts"))
    feed(view, event("phase-finished", phase="A", title="Artifacts", at=1002.0))
    feed(view, event("phase-started"), *whole_script("work-1")[:4])
    view.close()
    svg = page.export_svg(title="sloth up")
    words = svg.replace("&#160;", " ")
    for each in ("Artifacts", "2.0 s", "work-1", "50%", "second"):
        assert each in words
    assert svg.count("Artifacts") == 1  # no frames of the live part


def test_printing_and_drawing_do_not_wait_for_each_other():
    """Live draws from its own thread and prints under its own lock; with ours held meanwhile both would stand still."""
    page = console(record=False)
    view = feed(RichView(page), event("phase-started", title="Workers"))
    live = view._live
    stop = threading.Event()

    def draw():
        while not stop.is_set():
            live.refresh()

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    printing = threading.Thread(target=lambda: [feed(view, event("note", title=f"note {n}")) for n in range(40)], daemon=True)
    printing.start()
    printing.join(30)
    stop.set()
    drawing.join(30)
    assert not printing.is_alive()
    assert not drawing.is_alive()
    view.close()
    assert "note 39" in written(page)


def test_a_plan_of_many_nodes_leaves_one_line_per_phase():
    nodes = [f"n-{i}" for i in range(50)]
    steps = [replace(each, predicted=True, changed=True) for node in nodes for each in whole_script(node)]
    lines = plain(event("phase-started", title="P"), *steps, event("phase-finished", title="P"))
    assert [line for line in lines if "n-" in line] == []
    assert "50 would change" in lines[-1]
