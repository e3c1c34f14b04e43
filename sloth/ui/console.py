"""Rich consoles made from the shared options, and tables that are never cut."""

from __future__ import annotations

import sys

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from sloth.model.options import Options


def stdout(options: Options) -> Console:
    """For results."""
    return Console(file=sys.stdout, no_color=options.colorless or None, highlight=False)


def stderr(options: Options) -> Console:
    """For progress and failures."""
    return Console(file=sys.stderr, no_color=options.colorless or None, highlight=False)


def natural_width(console: Console, table: Table) -> int:
    """Columns that a table needs to show everything on one line each."""
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum


def print_table(console: Console, table: Table, *, shrink: str = "") -> None:
    """Print a table at its natural width: a terminal that is too narrow wraps its lines, a pipe gets them whole.

    On a terminal the column with the header `shrink` gives way first, down to 16 characters.
    """
    width = natural_width(console, table)
    over = width - console.width if console.is_terminal else 0
    for column in table.columns:
        if over > 0 and shrink and column.header == shrink:
            longest = max(cell_len(str(cell)) for cell in column.cells)
            column.width = max(16, longest - over)
            width -= longest - column.width
    table.width = width
    console.print(table, crop=False, overflow="ignore", no_wrap=True)
