"""Tables of `sloth backup`. Each takes the data that `--output json` gives."""

from __future__ import annotations

import time
from typing import Any

from rich.table import Table
from rich.text import Text

from sloth.model.options import Options
from sloth.ui.console import print_table, stdout

_RIGHT = ("size", "revision", "keys")


def backups(data: dict[str, Any], options: Options) -> None:
    """One line per backup, and the reasons of those that cannot be used."""
    if not data["backups"]:
        stdout(options).print(f"{data['cluster']}: no backups at {data['place']}", soft_wrap=True)
        return
    columns = ("name", "taken", "size", "revision", "keys", "kubernetes", "node", "verified", "usable")
    rows = [
        {**row, "verified": row["verified"] or "never", "usable": "no" if row["problem"] else "yes"} for row in data["backups"]
    ]
    _show(columns, rows, options)
    for row in data["backups"]:
        if row["problem"]:
            stdout(options).print(f"\n{row['problem']}", soft_wrap=True)


def timers(data: dict[str, Any], options: Options) -> None:
    """One line per control-plane node."""
    if not data["schedule"]:
        stdout(options).print(f"{data['cluster']}: the spec has no schedule, and no node makes backups by itself")
        return
    rows = [
        {**row, "timer": "active" if row["active"] else "off", "last": _moment(row["last"]), "next": _moment(row["next"])}
        for row in data["nodes"]
    ]
    _show(("node", "timer", "last", "next", "result", "sent"), rows, options)


def proven(data: dict[str, Any], options: Options) -> None:
    """One line in `sloth status`: how old the last backup is, and what the last drills have shown."""
    known = data.get("backup")
    if not known:
        return
    words = [f"last {_span(known['age'])} ago"] if known["name"] else []
    if known["verified"]:
        words.append(f"verified {_moment(known['verified']['at'])}")
    if known["restored"]:
        restored = known["restored"]
        words.append(f"last restore {_moment(restored['at'])}: RTO {restored['rto']:g} s, RPO {_span(restored['rpo'])}")
    stdout(options).print(f"\nbackup: {'; '.join(words)}", soft_wrap=True)


def _span(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else "never"


def _show(columns: tuple[str, ...], rows: list[dict[str, Any]], options: Options) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper(), no_wrap=True, justify="right" if column in _RIGHT else "left")
    for row in rows:
        table.add_row(
            *(Text(str(row[column]), style="red" if str(row[column]) in ("no", "failed") else "") for column in columns)
        )
    print_table(stdout(options), table)
