"""The plan as a table: equal things once, what goes in red with its cause, nothing cut in a pipe."""

import io
from dataclasses import asdict

import pytest
from rich.console import Console

from sloth.model.options import Options
from sloth.model.plan import MachineChange, title_of
from sloth.ui import plan_table
from sloth.ui.named import named

COUNTS = {word: 0 for word in ("create", "import", "start", "replace", "delete", "change", "unchanged")}


def change(node, action, kind="server", name="", **more):
    made = MachineChange(node=node, action=action, kind=kind, name=name or node, provider="hcloud", **more)
    return {**asdict(made), "cause": list(made.cause)}


def planned(*, machines=(), steps=(), new=(), gone=(), peers=(), objects=(), nodes=("cp-1", "work-1"), **counts):
    leases = [
        {"node": x, "role": "worker", "provider": "hcloud", "mesh": f"10.90.0.{n}", "pods": f"10.42.{n}.0/24"}
        for n, x in enumerate(nodes, 1)
    ]
    done = [{"phase": "Machines", "node": x["node"], "title": title_of(x["action"], x["kind"], x["name"]), "predicted": True}
            for x in machines]  # fmt: skip
    done += [dict(zip(("phase", "title", "node", "predicted"), step, strict=True)) for step in steps]
    return {
        "cluster": "demo", "machines": list(machines), "steps": done, "leases": leases, "objects": list(objects),
        "mesh": {"new": list(new), "gone": list(gone), "peers": list(peers)},
        "summary": {**COUNTS, "resources": {}, **counts},
    }  # fmt: skip


@pytest.fixture
def out(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")

    def lines(data, **options):
        plan_table.plan(data, Options(**options))
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return lines


def on_terminal(data, width=100):
    page = Console(file=io.StringIO(), force_terminal=True, width=width, color_system="standard", highlight=False)
    plan_table.show_plan(data, page)
    return page.file.getvalue()


def test_nothing(out):
    assert out(planned()) == ["demo: nothing to change"]


def test_everything_in_one_table(out):
    data = planned(
        machines=[
            change("work-2", "create", detail="cx22, fsn1, 4.51 EUR a month"),
            change("work-3", "create", detail="cx22, fsn1, 4.51 EUR a month"),
            change("old-1", "delete"),
            change("work-1", "replace", cause=("image", "server_type")),
            change("", "create", "network", "demo-network"),
        ],
        steps=[("Mesh", "put peers in force", "cp-1", False), ("Workers", "join", "work-2", True),
               ("Prepare hosts", "x" * 90, "work-2", True), ("Prepare hosts", "x" * 90, "work-3", True)],
        new=["work-2"], gone=["old-1"], peers=["cp-1"], nodes=("cp-1", "work-1", "work-2", "work-3"),
        objects=[{"action": "create", "kind": "Node", "name": "work-2", "detail": "worker"}],
        create=2, replace=1, delete=1, change=1, resources={"create": 1},
    )  # fmt: skip
    assert out(data) == [
        "WHAT ON DETAIL",
        "Machines",
        "- delete machine old-1 hcloud",
        "± replace machine work-1 because of image, server_type; hcloud",
        "+ create machine work-2, work-3 hcloud; cx22, fsn1, 4.51 EUR a month",
        "+ create network demo-network hcloud",
        "Mesh",
        "+ new peer work-2 10.90.0.3, pods 10.42.3.0/24",
        "- peer goes old-1",
        "~ peers change cp-1",
        "~ Mesh: 1 step cp-1",
        "put peers in force",
        "Hosts",
        "~ Prepare hosts: 1 step work-2, work-3 predicted",
        "x" * 90,  # a pipe gets it whole
        "Kubernetes",
        "+ Node work-2 worker",
        "~ Workers: 1 step work-2 predicted",
        "join",
        "",
        "2 to create, 1 to replace, 1 to delete, 1 node to change; 0 unchanged; shared resources: 1 to create "
        "(9 steps, 8 predicted: they follow from what is not there yet)",
    ]


def test_equal_lists_of_many_nodes_are_one_line_and_unequal_ones_are_not(out):
    nodes = [f"work-{n}" for n in range(1, 498)]
    steps = [("Prepare hosts", f"step {n}", node, True) for node in reversed(nodes) for n in range(12)]
    steps += [("Prepare hosts", "one more", "work-7", True)]
    lines = out(planned(steps=steps, nodes=nodes))
    assert "~ Prepare hosts: 12 steps work-1 … work-6, work-8 … work-497 (496 nodes) predicted" in lines
    assert "~ Prepare hosts: 13 steps work-7 predicted" in lines


def test_a_long_plan_names_no_single_step_unless_asked_to(out):
    data = planned(steps=[("Mesh", f"step {n}", "work-1", n < 5) for n in range(100)])
    assert "~ Mesh: 100 steps work-1" in out(data)
    assert len(out(data)) < 8
    full = out(data, debug=True)
    assert [f"step {n}{' predicted' if n < 5 else ''}" in full for n in range(100)] == [True] * 100


def test_many_new_peers_are_one_line(out):
    nodes = [f"work-{n}" for n in range(1, 31)]
    assert "+ 30 new peers work-1 … work-30 (30 nodes) 10.90.0.1 … 10.90.0.30" in out(planned(new=nodes, nodes=nodes))


def test_what_goes_or_is_replaced_is_red_and_what_comes_is_green():
    data = planned(machines=[change("a-1", "create"), change("b-1", "delete"), change("c-1", "replace", cause=("image",))])
    rows = {node: line for line in on_terminal(data).splitlines() for node in ("a-1", "b-1", "c-1") if node in line}
    assert rows["a-1"].startswith("\x1b[32m+")
    assert rows["b-1"].startswith("\x1b[1;31m-")
    assert rows["c-1"].startswith("\x1b[1;31m±")
    assert "\x1b[1;31mbecause of image" in rows["c-1"]


def test_on_a_narrow_terminal_the_step_gives_way():
    data = planned(steps=[("Mesh", "a step with a title that is long, and longer", "work-1", True)])
    line = next(line for line in on_terminal(data, 60).splitlines() if "Mesh: 1" in line)
    assert "work-1" in line
    assert "predicted" in line
    assert any("a step with" in line and "…" in line for line in on_terminal(data, 40).splitlines())


def test_a_saved_plan_says_how_to_apply_it(out):
    lines = out({**planned(), "saved": {"file": "p.plan", "digest": "sha256:ab"}})
    assert lines == ["demo: nothing to change", "saved in p.plan, sha256:ab", "next: sloth up p.plan"]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([], ""), (["a-1"], "a-1"), (["a-1", "a-2"], "a-1, a-2"), (["a-1", "a-1"], "a-1"),
        (["a-1", "a-2", "a-3"], "a-1 … a-3 (3 nodes)"), (["a-1", "a-3", "b"], "a-1, a-3, b (3 nodes)"),
        (["a-1", "b-2", "b-3", "b-4", "c-9"], "a-1, b-2 … b-4, c-9 (5 nodes)"),
        (["a-1", "b-1", "c-1", "d-1"], "a-1, b-1, c-1, … (4 nodes)"), (["x-9", "x-10", "x-11"], "x-9 … x-11 (3 nodes)"),
    ],
)  # fmt: skip
def test_names(nodes, words):
    assert named(nodes) == words
