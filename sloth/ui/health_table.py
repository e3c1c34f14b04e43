"""What is said of a cluster's health. Each function takes the data that `--output json` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sloth.model.options import Options
from sloth.ui.console import print_table, stdout

_COLOUR = {"healthy": "green", "warning": "yellow", "unknown": "yellow", "critical": "bold red"}
_ORDER = {"critical": 0, "unknown": 1, "warning": 2, "healthy": 3}


def findings(data: dict[str, Any], options: Options) -> None:
    """All of `health`: a line for each thing that was looked at, then what to do."""
    show_findings(data, stdout(options))


def show_findings(data: dict[str, Any], console: Console) -> None:
    """The same on this console."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("area", "what", "severity", "found"):
        table.add_column(column.upper(), no_wrap=True)
    for row in data["findings"]:
        severity = Text(row["severity"], style=_COLOUR[row["severity"]])
        table.add_row(row["area"], Text(row["subject"]), severity, Text(row["summary"]))
    print_table(console, table, shrink="FOUND")
    _overall(data, console)
    _hints(_bad(data), console)


def problems(data: dict[str, Any], options: Options) -> None:
    """What `status` adds to its table of nodes: all that is not healthy, the worst first."""
    show_problems(data, stdout(options))


def show_problems(data: dict[str, Any], console: Console) -> None:
    """The same on this console."""
    bad = _bad(data)
    console.print()
    _overall(data, console)
    for row in bad:
        mark = (f"{row['severity']}: ", _COLOUR[row["severity"]])
        what = f"{row['area']} {row['subject']}".rstrip()
        console.print(Text.assemble(mark, f"{what}: {row['summary']}"), soft_wrap=True)
    _hints(bad, console)


def _bad(data: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted((row for row in data["findings"] if row["severity"] != "healthy"), key=lambda row: _ORDER[row["severity"]])


def _overall(data: dict[str, Any], console: Console) -> None:
    word = data["severity"]
    console.print(Text.assemble(f"{data['cluster']}: ", (word, _COLOUR[word])), soft_wrap=True)


def _hints(bad: Sequence[dict[str, Any]], console: Console) -> None:
    """Each thing to type once; three are enough for a start."""
    for hint in list(dict.fromkeys(row["hint"] for row in bad if row["hint"]))[:3]:
        console.print(Text(f"next: {hint}", style="yellow"), soft_wrap=True)


def drift(data: dict[str, Any], options: Options) -> None:
    """What `status --drift` found, by layer."""
    show_drift(data, stdout(options))


def show_drift(data: dict[str, Any], console: Console) -> None:
    """The same on this console."""
    rows = data["drift"]
    if not rows:
        console.print(f"{data['cluster']}: everything is as the spec asks")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("layer", "node", "differs", "detail"):
        table.add_column(column.upper(), no_wrap=True)
    for row in rows:
        style = "yellow" if row["unread"] else ""
        table.add_row(*(Text(row[key], style=style) for key in ("layer", "node", "what", "detail")))
    print_table(console, table, shrink="DETAIL")
    console.print(Text("next: sloth plan", style="yellow"))


def certs(data: dict[str, Any], options: Options) -> None:
    """What `certs check` found."""
    show_certs(data, stdout(options))


def show_certs(data: dict[str, Any], console: Console) -> None:
    """The same on this console."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("node", "certificate", "days", "expires", "kind"):
        table.add_column(column.upper(), no_wrap=True, justify="right" if column == "days" else "left")
    for row in data["certificates"]:
        style = _COLOUR[row["severity"]] if row["severity"] != "healthy" else ""
        table.add_row(
            row["node"], row["name"], Text(row["left"], style=style), row["expires"], "authority" if row["authority"] else "leaf"
        )
    print_table(console, table)
    _overall(data, console)
    _hints(_bad(data), console)
