"""Tables for people: nothing of the data is lost or wrapped, on whatever width."""

import io

import pytest
from rich.console import Console

from sloth.model.options import Options
from sloth.ui import tables
from sloth.ui.console import stdout

ROW = {
    "name": "work-1", "role": "worker", "provider": "local", "address": "192.0.2.1", "port": 22, "mesh": "10.90.0.1",
    "machine": "running", "ready": "Ready",
}  # fmt: skip


@pytest.fixture
def out(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    return lambda show, data: (show(data, Options()), capsys.readouterr().out)[1]


def test_nodes(out):
    name = "a-rather-long-pool-name-" + "x" * 40
    text = out(tables.nodes, {"cluster": "demo", "nodes": [ROW, {**ROW, "name": name, "ready": "unknown", "machine": "missing"}]})
    head, first, second = text.splitlines()
    assert head.split() == ["NAME", "ROLE", "PROVIDER", "ADDRESS", "MESH", "MACHINE", "READY"]
    assert first.split() == ["work-1", "worker", "local", "192.0.2.1", "10.90.0.1", "running", "Ready"]
    assert second.split()[0] == name
    assert second.split()[-1] == "unknown"


def test_no_nodes(out):
    assert out(tables.nodes, {"cluster": "demo", "nodes": []}) == "demo: no nodes\n"


LEASE = {"role": "worker", "provider": "local", "mesh": "10.90.0.1", "pods": "10.42.0.0/24"}


def planned(steps, **changes):
    leases = [{"node": f"work-{number}", **LEASE} for number in (1, 2, 3)]
    keys = ("phase", "title", "node", "predicted")
    steps = [dict(zip(keys, step, strict=True)) for step in steps]
    return {"cluster": "demo", "add": ["work-3"], "remove": ["old-1"], "leases": leases, "steps": steps, **changes}


def test_plan(out):
    steps = [("Prepare hosts", title, "work-3", True) for title in ("install packages", "x" * 90)]
    steps += [("Mesh", "give peers", f"work-{number}", False) for number in (1, 2, 3, 4)]
    lines = [" ".join(line.split()) for line in out(tables.plan, planned(steps)).splitlines()]
    assert lines == [
        "NODE ROLE PROVIDER MESH PODS",
        "+ work-3 worker local 10.90.0.1 10.42.0.0/24",
        "- old-1 drain and delete",
        "… 2 more stay",
        "",
        "PHASE STEP ON",
        "Prepare hosts install packages work-3 predicted",
        f"{'x' * 90} work-3 predicted",  # a pipe gets it whole
        "Mesh give peers work-1, work-2 and 2 more",  # equal steps of many nodes are one line
        "",
        "1 to add, 1 to remove, 6 steps (2 predicted: they follow from what is not there yet)",
    ]


def test_a_long_plan_is_shown_phase_by_phase(out):
    steps = [("Mesh", f"step {number}", "work-1", number < 5) for number in range(100)]
    steps += [("Workers", "join", "work-2", True)]
    lines = [" ".join(line.split()) for line in out(tables.plan, planned(steps)).splitlines()]
    assert "Mesh 100 work-1 5 predicted" in lines
    assert "Workers 1 work-2 predicted" in lines
    assert len(lines) < 15
    full = out(lambda data, _: tables.show_plan(data, stdout(Options()), full=True), planned(steps))
    assert all(f"step {number} " in full for number in range(100))


def on_terminal(show, data, width):
    page = Console(file=io.StringIO(), force_terminal=True, width=width, color_system="standard", highlight=False)
    show(data, page)
    return page.file.getvalue()


def test_what_goes_is_red_and_what_comes_is_green():
    text = on_terminal(tables.show_plan, planned([]), 100)
    line = {line.split("m")[1][0]: line for line in text.splitlines() if line.startswith("\x1b")}
    assert line["-"].startswith("\x1b[1;31m-")
    assert line["+"].startswith("\x1b[32m+")


def test_on_a_narrow_terminal_the_step_gives_way():
    text = on_terminal(
        tables.show_plan, planned([("Mesh", "a step with a title that is long", "work-1", True)], add=[], remove=[]), 50
    )
    line = next(line for line in text.splitlines() if "a step" in line)
    assert "…" in line
    assert "work-1" in line
    assert "predicted" in line


def test_on_a_narrow_terminal_columns_are_left_out_unless_they_say_something_bad():
    rows = [{**ROW, "pods": "10.42.0.0/24", "version": "v1.36.3", "state": "joined"}]
    assert "PROVIDER" in on_terminal(tables.show_nodes, {"cluster": "demo", "nodes": rows}, 120)
    head = on_terminal(tables.show_nodes, {"cluster": "demo", "nodes": rows}, 60)
    assert "PROVIDER" not in head
    assert all(word in head for word in ("NAME", "ADDRESS", "READY"))
    rows.append({**rows[0], "name": "work-2", "machine": "missing"})
    assert "missing" in on_terminal(tables.show_nodes, {"cluster": "demo", "nodes": rows}, 60)


def test_a_plan_of_nothing(out):
    data = {"cluster": "demo", "add": [], "remove": [], "leases": [], "steps": []}
    assert out(tables.plan, data) == "demo: nothing to change\n"


def test_a_plan_of_nodes_only(out):
    data = {"cluster": "demo", "add": [], "remove": ["old-1"], "leases": [], "steps": []}
    assert "0 to add, 1 to remove, 0 steps" in out(tables.plan, data)


def test_doctor(out):
    fine = {"ok": True, "title": "kernel", "detail": "6.1", "hint": ""}
    bad = {"ok": False, "title": "engine", "detail": "[not running]", "hint": "sloth doctor --fix"}
    lines = out(tables.doctor, {"checks": [fine, bad]}).splitlines()
    assert lines == ["✓ kernel  6.1", "✗ engine  [not running]", "    next: sloth doctor --fix"]
