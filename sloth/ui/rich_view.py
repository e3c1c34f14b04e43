"""What a person sees during a run: finished phases as one line each, the running phase with a bar for every node."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from threading import Lock
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from sloth.model.event import Event
from sloth.ui.progress import Item, Phase, Progress, Work, duration
from sloth.ui.streams import PlainView

_ROWS = 16  # nodes shown at once, less on a low terminal; the rest is counted
_RECENT = 3  # machines and artifacts without a known end that are shown


class RichView:
    """A sink. The bus calls `take` from one thread, Live draws from another.

    The picture is folded under a lock, but nothing is printed while it is held: printing waits for Live, and Live for the
    picture. A console that records (for `export_svg`) gets each finished line, and what is still running when it is closed.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.time) -> None:
        self._console = console
        self._clock = clock
        self._progress = Progress()
        self._lock = Lock()
        self._live: Live | None = None
        self._spinner = Spinner("dots", style="cyan")
        # A terminal that cannot show the bars, or cannot move its cursor, gets the lines of a pipe.
        simple = console.is_dumb_terminal or not console.encoding.lower().startswith("utf")
        self._plain = PlainView(cast(TextIO, console.file)) if simple else None

    def take(self, event: Event) -> None:
        """Fold one event into the picture."""
        if self._plain:
            self._plain.take(event)
            return
        with self._lock:
            phase = self._progress.fold(event)
            line = self._line(event, phase)
            running = bool(self._progress.running)
        if line:
            self._console.print(line, soft_wrap=not self._console.is_terminal)
        if running and not self._live and not self._console.record:
            self._start()
        elif self._live and not running:
            self._stop()

    def close(self) -> None:
        """Stop drawing."""
        self._stop()
        if self._console.record and self._progress.running:
            self._console.print(self._render())

    def _start(self) -> None:
        self._live = Live(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # results that go to a file stay out of the picture
        )
        self._live.start()

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live:
            live.stop()

    @property
    def _title_width(self) -> int:
        return max(12, min(36, self._console.width - 40))

    def _line(self, event: Event, phase: Phase | None) -> Text | None:
        """What is printed above the picture, for good."""
        if event.kind == "phase-finished" and phase:
            return self._finished(event, phase)
        where = f"{event.node}: " if event.node else ""
        if event.kind == "note":
            return Text.assemble(("  " + where + event.title, "dim"), _below(event.detail))
        if event.kind == "warning":
            return Text.assemble(("! ", "bold yellow"), (where + event.title, "yellow"), _below(event.detail))
        if event.kind == "failure":
            return Text.assemble(_mark(False), (where + event.title, "red"), _below(event.detail))
        if event.kind == "script-finished" and not event.ok and phase:
            at = phase.nodes[event.node].last
            return Text.assemble(_mark(False), (event.node, "red"), (f"  failed at: {at}" if at else "  failed", "dim"))
        return None

    def _finished(self, event: Event, phase: Phase) -> Text:
        width = self._title_width
        title = Text(phase.title, style="" if event.ok else "red")
        title.truncate(width, overflow="ellipsis", pad=True)
        words = phase.in_words(changed=event.changed)
        line = Text.assemble(_mark(event.ok), title, (f"{duration(event.at - phase.began):>12}", "dim"), no_wrap=True)
        nodes, comma, changed = words.partition(", ") if phase.nodes or phase.items else ("", "", words)
        return line.append(f"  {nodes}{comma}", style="dim").append(changed, style="cyan")

    def _render(self) -> RenderableType:
        now = self._clock()
        with self._lock:
            phases = list(self._progress.running.values())
            room = max(3, min(_ROWS, self._console.height - 4 - 2 * len(phases)))
            return Group(*(part for phase in phases for part in self._picture(phase, now, room // max(1, len(phases)))))

    def _picture(self, phase: Phase, now: float, room: int) -> Iterator[RenderableType]:
        over = sum(work.over for work in phase.nodes.values())
        facts = [f"{over}/{len(phase.nodes)} nodes"] if phase.nodes else []
        if phase.changed:
            facts.append(f"{len(phase.changed)} {'would change' if phase.predicted else 'changed'}")
        title = Text(phase.title, style="bold")
        title.truncate(self._title_width, overflow="ellipsis", pad=True)
        passed = (f"{duration(now - phase.began):>12}", "dim")
        head = Table.grid()
        head.add_column(width=2)
        head.add_column(no_wrap=True, overflow="ellipsis")
        head.add_row(self._spinner, Text.assemble(title, passed, (f"  {', '.join(facts)}", "dim")))
        yield head
        yield from self._rows(phase, now, room)

    def _rows(self, phase: Phase, now: float, room: int) -> Iterator[RenderableType]:
        works = list(phase.nodes.items())
        if len(works) > room:  # who is done makes room for who is not
            works = [(name, work) for name, work in works if not work.over or not work.ok][:room]
        items = [item for item in phase.items.values() if item.total and not item.over]
        items += sorted((item for item in phase.items.values() if not item.total), key=lambda item: item.at)[-_RECENT:]
        items = items[: max(1, room - len(works))]
        table = Table.grid(padding=(0, 1))
        names = max((len(name) for name in [*(name for name, _ in works), *(item.name for item in items)]), default=0)
        narrow = self._console.width < 60
        table.add_column(no_wrap=True, overflow="ellipsis", width=min(names, self._console.width // 3))
        table.add_column(width=10 if narrow else 20)
        table.add_column(width=4, justify="right", style="dim", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, work in works:
            table.add_row(name, _bar(work.done, work.total, work.ok, over=work.over), _steps(work), _title(work, narrow))
        for item in items:
            table.add_row(item.name, *_progress(item, now))
        if works or items:
            yield Padding(table, (0, 0, 0, 2))
        hidden = len(phase.nodes) - len(works)
        if hidden > 0:
            yield Text(f"  … and {hidden} more", style="dim")


def _mark(ok: bool) -> tuple[str, str]:
    return ("✓ ", "green") if ok else ("✗ ", "bold red")


def _below(detail: str) -> tuple[str, str]:
    return ("".join(f"\n    {line}" for line in detail.strip().splitlines()), "dim")


def _bar(done: float, total: float, ok: bool, *, over: bool) -> ProgressBar:
    colour = "red" if not ok else "green" if over else "cyan"
    return ProgressBar(
        total=total or (1 if over else 100),
        completed=done if total else float(over),
        style="grey30",
        complete_style=colour,
        finished_style=colour,
    )


def _steps(work: Work) -> Text:
    return Text(f"{100 * work.done / work.total:.0f}%" if work.total else "")


def _title(work: Work, narrow: bool) -> Text:
    if work.over:
        return Text("done" if work.ok else f"failed at: {work.last}", style="dim" if work.ok else "red")
    more = len(work.pending) - 1
    return Text.assemble((work.title, "" if work.ok else "yellow"), (f"  +{more}" if more > 0 and not narrow else "", "dim"))


def _progress(item: Item, now: float) -> tuple[RenderableType, RenderableType, RenderableType]:
    if not item.total:
        return Text(""), Text(""), Text(item.detail, style="dim")
    left = item.left(now)
    tells = "left" in item.detail  # it has a better estimate of its own
    words = Text.assemble((item.detail, ""), (f"  about {duration(left)} left" if left and not tells else "", "dim"))
    return _bar(item.done, item.total, True, over=item.over), Text(f"{100 * item.done / item.total:.0f}%"), words
