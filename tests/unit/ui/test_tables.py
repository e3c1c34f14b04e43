"""Tables for people: nothing of the data is lost or wrapped, on whatever width."""

import io

import pytest
from rich.console import Console

from sloth.model.options import Options
from sloth.ui import tables

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


def on_terminal(show, data, width):
    page = Console(file=io.StringIO(), force_terminal=True, width=width, color_system="standard", highlight=False)
    show(data, page)
    return page.file.getvalue()


def test_on_a_narrow_terminal_columns_are_left_out_unless_they_say_something_bad():
    rows = [{**ROW, "pods": "10.42.0.0/24", "version": "v1.36.3", "state": "joined"}]
    assert "PROVIDER" in on_terminal(tables.show_nodes, {"cluster": "demo", "nodes": rows}, 120)
    head = on_terminal(tables.show_nodes, {"cluster": "demo", "nodes": rows}, 60)
    assert "PROVIDER" not in head
    assert all(word in head for word in ("NAME", "ADDRESS", "READY"))
    rows.append({**rows[0], "name": "work-2", "machine": "missing"})
    assert "missing" in on_terminal(tables.show_nodes, {"cluster": "demo", "nodes": rows}, 60)


def test_doctor(out):
    fine = {"ok": True, "title": "kernel", "detail": "6.1", "hint": ""}
    bad = {"ok": False, "title": "engine", "detail": "[not running]", "hint": "sloth doctor --fix"}
    lines = out(tables.doctor, {"checks": [fine, bad]}).splitlines()
    assert lines == ["✓ kernel  6.1", "✗ engine  [not running]", "    next: sloth doctor --fix"]
