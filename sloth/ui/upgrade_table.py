"""The plan of an upgrade for people: where to, what stands in the way, nodes, order. It takes what `--output json` gives."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sloth.model.options import Options
from sloth.ui.console import print_table, stdout
from sloth.upgrade.checks import age

_MARKS = {"blocks": ("✗ ", "red"), "unknown": ("? ", "yellow"), "warns": ("! ", "yellow")}
_COLOUR = {"Ready": "green", "NotReady": "red", "unknown": "yellow"}
_SHOWN = 6  # nodes of a batch


def upgrade_plan(data: dict[str, Any], options: Options) -> None:
    """Print it."""
    show_upgrade_plan(data, stdout(options))


def show_upgrade_plan(data: dict[str, Any], console: Console) -> None:
    """The same on this console."""
    for line in _head(data):
        console.print(line, soft_wrap=True)
    print_table(console, _nodes(data))
    for each in data["findings"]:
        console.print(Text.assemble(_MARKS[each["level"]], f"{each['check']}: {each['text']}"), soft_wrap=True)
        console.print(Text(f"    next: {each['hint']}", style="yellow"), soft_wrap=True)
    for line in _tail(data):
        console.print(line, soft_wrap=True)


def _head(data: dict[str, Any]) -> list[str]:
    reachable = ", ".join(data["reachable"]) or "nothing newer is known"
    lines = [f"{data['cluster']} runs {data['from']}; reachable: {reachable}"]
    if data["under_way"]:
        lines.append(f"the upgrade to {data['under_way']} is under way: sloth upgrade apply --resume")
    if data["to"] != data["from"]:
        lines.append(f"looked at: {data['from']} → {data['to']}")
    return [*lines, ""]


def _nodes(data: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ("name", "role", "kubelet", "server", "ready")
    for column in columns:
        table.add_column(column.upper(), no_wrap=True)
    for row in data["nodes"]:
        table.add_row(*(Text(str(row[column]), style=_COLOUR.get(str(row[column]), "")) for column in columns))
    return table


def _tail(data: dict[str, Any]) -> list[str]:
    if data["to"] == data["from"]:
        return ["", "nothing to do"]
    servers, *groups = data["order"]
    ages = [f"{what}: {age(data[what]['seconds']) + ' old' if data[what] else 'none'}" for what in ("snapshot", "backup")]
    lines = ["", f"newest {', '.join(ages)}", f"order: snapshot of etcd; control planes one by one: {', '.join(servers)}"]
    lines += [f"       then {_few(group)}" for group in groups]
    if data["removed"]:
        lines.append(f"removed in {data['to']}: {', '.join(data['removed'])}")
    if any(each["level"] == "blocks" for each in data["findings"]):
        return [*lines, "blocked: see above"]
    return [*lines, f"next: sloth upgrade apply --to {data['to'].removeprefix('v')}"]


def _few(group: list[str]) -> str:
    return ", ".join(group) if len(group) <= _SHOWN else f"{', '.join(group[:3])} and {len(group) - 3} more together"
