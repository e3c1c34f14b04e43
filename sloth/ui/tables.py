"""Tables for people: nodes, plan, doctor. Each takes the data that `--output json` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sloth.model.options import Options
from sloth.ui.console import natural_width, print_table, stdout

_COLOUR = {"Ready": "green", "NotReady": "red", "unknown": "yellow", "missing": "red", "running": "green", "broken": "red"}
_BAD = {"NotReady", "unknown", "missing", "broken"}
_SPARE = ("pods", "provider", "machine", "state", "version")  # columns that a narrow terminal can do without, first one first
_STEPS_IN_FULL = 60  # lines; a longer plan is shown phase by phase
_NODES_NAMED = 2


def _grid(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        table.add_column(column.upper(), no_wrap=True)
    return table


def nodes(data: dict[str, Any], options: Options) -> None:
    """Rows of `status` and `nodes list`."""
    show_nodes(data, stdout(options))


def show_nodes(data: dict[str, Any], console: Console) -> None:
    """The same on this console. On a terminal that is too narrow, columns that say nothing bad are left out."""
    rows = data["nodes"]
    if not rows:
        console.print(f"{data['cluster']}: no nodes")
        return
    columns = [column for column in rows[0] if column != "port"]
    table = _nodes_table(rows, columns)
    for spare in _SPARE:
        if not console.is_terminal or natural_width(console, table) <= console.width:
            break
        if spare in columns and not any(str(row[spare]) in _BAD for row in rows):
            columns.remove(spare)
            table = _nodes_table(rows, columns)
    print_table(console, table)


def _nodes_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Table:
    table = _grid(*columns)
    for row in rows:
        table.add_row(*(Text(str(row[column]), style=_COLOUR.get(str(row[column]), "")) for column in columns))
    return table


def plan(data: dict[str, Any], options: Options) -> None:
    """Nodes that come and go, and what would be done on which nodes."""
    show_plan(data, stdout(options), full=options.debug)


def show_plan(data: dict[str, Any], console: Console, *, full: bool = False) -> None:
    """The same on this console. `full` names every step, however many there are."""
    if not data["add"] and not data["remove"] and not data["steps"]:
        console.print(f"{data['cluster']}: nothing to change")
        return
    if data["add"] or data["remove"]:
        print_table(console, _machines(data))
        console.print()
    if data["steps"]:
        print_table(console, _steps(data["steps"], full), shrink="STEP")
        console.print()
    guessed = sum(step["predicted"] for step in data["steps"])
    words = [f"{len(data['add'])} to add", f"{len(data['remove'])} to remove", f"{len(data['steps'])} steps"]
    predicted = f" ({guessed} predicted: they follow from what is not there yet)" if guessed else ""
    console.print(Text.assemble((", ".join(words), "bold"), (predicted, "dim")), soft_wrap=True)


def _machines(data: dict[str, Any]) -> Table:
    table = _grid("", "node", "role", "provider", "mesh", "pods")
    for lease in data["leases"]:
        if lease["node"] in data["add"]:
            cells = (lease["node"], lease["role"], lease["provider"], lease["mesh"], lease["pods"])
            table.add_row("+", *cells, style="green")
    for name in data["remove"]:
        table.add_row("-", name, "drain and delete", style="bold red")
    count = len(data["leases"]) - len(data["add"])
    if count > 0:
        table.add_row("", Text("…", style="dim"), Text(f"{count} more stay{'s' if count == 1 else ''}", style="dim"))
    return table


def _steps(steps: Sequence[dict[str, Any]], full: bool) -> Table:
    """Equal steps of several nodes are one line."""
    groups: dict[tuple[str, str, bool], list[str]] = {}
    for step in steps:
        groups.setdefault((step["phase"], step["title"], step["predicted"]), []).append(step["node"])
    if not full and len(groups) > _STEPS_IN_FULL:
        return _phases(steps)
    table = _grid("phase", "step", "on", "")
    before = ""
    for (phase, title, predicted), names in groups.items():
        table.add_row(
            Text("" if phase == before else phase, style="cyan"),
            Text(title),
            _named(names),
            Text("predicted" if predicted else "", style="dim"),
        )
        before = phase
    return table


def _phases(steps: Sequence[dict[str, Any]]) -> Table:
    table = _grid("phase", "steps", "on", "")
    for phase in dict.fromkeys(step["phase"] for step in steps):
        mine = [step for step in steps if step["phase"] == phase]
        guessed = sum(step["predicted"] for step in mine)
        note = "predicted" if guessed == len(mine) else f"{guessed} predicted" if guessed else ""
        names = [step["node"] for step in mine]
        table.add_row(Text(phase, style="cyan"), str(len(mine)), _named(names), Text(note, style="dim"))
    return table


def _named(nodes: Sequence[str]) -> str:
    names = list(dict.fromkeys(nodes))
    more = len(names) - _NODES_NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NODES_NAMED])} and {more} more"


def doctor(data: dict[str, Any], options: Options) -> None:
    """One line per check, and what would help."""
    show_doctor(data, stdout(options))


def show_doctor(data: dict[str, Any], console: Console) -> None:
    """The same on this console."""
    for check in data["checks"]:
        mark = ("✓ ", "green") if check["ok"] else ("✗ ", "red")
        console.print(Text.assemble(mark, check["title"], (f"  {check['detail']}", "dim")), soft_wrap=True)
        if not check["ok"]:
            console.print(Text(f"    next: {check['hint']}", style="yellow"), soft_wrap=True)
