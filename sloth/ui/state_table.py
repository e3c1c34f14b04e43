"""Tables of `sloth state list`. Each takes the data that `--output json` gives."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from sloth.model.options import Options
from sloth.ui.console import print_table, stdout

_BAD = {"damaged": "red", "current": "green"}


def clusters(data: dict[str, Any], options: Options) -> None:
    """One line per cluster."""
    if not data["clusters"]:
        stdout(options).print("no clusters")
        return
    _show(data["clusters"], ("name", "revision", "saved", "by", "verb", "size", "state", "locked"), options)


def versions(data: dict[str, Any], options: Options) -> None:
    """One line per revision of one cluster's record."""
    if not data["versions"]:
        stdout(options).print(f"{data['cluster']}: no record")
        return
    _show(data["versions"], ("revision", "saved", "by", "verb", "size", "state"), options)
    if data["locked"]:
        stdout(options).print(f"\nlocked by {data['locked']}", soft_wrap=True)


def _show(rows: list[dict[str, Any]], columns: tuple[str, ...], options: Options) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper(), no_wrap=True, justify="right" if column in ("revision", "size") else "left")
    for row in rows:
        table.add_row(*(Text(str(row[column]), style=_BAD.get(str(row[column]), "")) for column in columns))
    print_table(stdout(options), table)
