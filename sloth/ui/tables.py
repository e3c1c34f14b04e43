"""Tables for people: nodes, doctor; the plan has its own module. Each takes the data that `--output json` gives."""

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


def providers(rows: Sequence[dict[str, Any]], options: Options) -> None:
    """Rows of `providers list`."""
    console = stdout(options)
    table = _grid("name", "kind", "sdk", "can", "about")
    for row in rows:
        sdk = "" if row["kind"] != "cloud" else "installed" if row["installed"] else "missing"
        cells = (row["name"], row["kind"], sdk, ", ".join(row["abilities"]), row["about"])
        table.add_row(*(Text(cell, style=_COLOUR.get(cell, "")) for cell in cells))
    print_table(console, table, shrink="ABOUT")
