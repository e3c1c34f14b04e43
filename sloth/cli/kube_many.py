"""One verb in several clusters side by side: `sloth kube VERB --clusters a,b`, `--all-clusters`.

What comes of each is shown under its name; tables become one with the column CLUSTER. A cluster where it fails is said on
stderr and does not hide the others.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sloth.cli.kube_clusters import fitted, place
from sloth.cli.kube_where import Where
from sloth.errors import ManyErrors, SlothError, flat
from sloth.kube import show
from sloth.model.options import Options, Outcome

WIDE = 16  # clusters at once
Verb = Callable[[Where], Outcome]


@dataclass(frozen=True)
class Rows:
    """A table as the data of an outcome, titles first; `head`: whether they are to be shown."""

    rows: Sequence[Sequence[str]]
    head: bool = True


@dataclass(frozen=True)
class _Came:
    name: str
    outcome: Outcome | None = None
    error: SlothError | ManyErrors | None = None


def tabled(kind: str, rows: Sequence[Sequence[str]], *, head: bool = True) -> Outcome:
    """A table that can be joined with those of other clusters."""
    shown = rows if head else rows[1:]
    return Outcome(kind, data=Rows(rows, head), text=show.aligned(shown) if shown else "")


def everywhere(where: Where, names: Sequence[str], verb: Verb) -> Outcome:
    """Run it in all of them. The exit code is that of the first that failed, else the first that is not 0."""
    came: dict[str, _Came] = {}
    for each in _runs(where, names, verb):
        came[each.name] = each
        if each.error:  # now, not at the end: other clusters may be followed until Ctrl-C
            replace(where, label=each.name).say(_said(each.error))
    ordered = [came[name] for name in names]
    outcomes = [(each.name, each.outcome) for each in ordered if each.outcome]
    codes = [*(each.error.exit for each in ordered if each.error), *(each.exit for _, each in outcomes)]
    return replace(_joined(outcomes), exit=next((code for code in codes if code), 0))


def _runs(where: Where, names: Sequence[str], verb: Verb) -> Iterator[_Came]:
    """What comes of each, as it comes. The threads do not keep the process: Ctrl-C ends a verb that follows something."""
    came: queue.SimpleQueue[_Came | BaseException] = queue.SimpleQueue()
    left = iter(names)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                name = next(left, None)
            if name is None:
                return
            try:
                came.put(_Came(name, verb(replace(place(where, name), label=name))))
            except (SlothError, ManyErrors) as error:
                came.put(_Came(name, error=error))
            except BaseException as error:
                came.put(error)

    for number in range(min(WIDE, len(names))):
        threading.Thread(target=work, name=f"cluster-{number}", daemon=True).start()
    for _ in names:
        each = came.get()
        if isinstance(each, BaseException):
            raise each  # a defect is no answer of a cluster
        yield each


def _said(error: SlothError | ManyErrors) -> str:
    lines: list[str] = []
    for each in flat([error]):
        lines += [f"{each.summary} ({each.code})", *(f"  {line}" for line in each.detail.splitlines()), f"  try: {each.hint}"]
    return "\n".join(lines)


def _joined(outcomes: Sequence[tuple[str, Outcome]]) -> Outcome:
    """One outcome of all, in the order in which the clusters were named."""
    if all(isinstance(each.data, Rows) for _, each in outcomes):
        return _one_table([(name, each.data) for name, each in outcomes])

    def write(options: Options) -> None:
        import sys

        for at, (name, each) in enumerate(outcomes):
            sys.stdout.write(f"{chr(10) if at else ''}==> {name} <==\n")
            if each.show:
                each.show(options)
            elif each.text:
                sys.stdout.write(each.text.rstrip("\n") + "\n")

    return Outcome("KubeClusters" if any(each.kind for _, each in outcomes) else "", show=write)


def _one_table(tables: Sequence[tuple[str, Rows]]) -> Outcome:
    """The columns are the first cluster's."""
    titles = next((table.rows[0] for _, table in tables if table.rows), [])
    rows = [["CLUSTER", *titles]]
    for name, table in tables:
        rows += [[name, *fitted(row, table.rows[0], titles)] for row in table.rows[1:]]
    head = all(table.head for _, table in tables)
    shown = rows if head else rows[1:]
    return Outcome("KubeClusters", text=show.aligned(shown) if len(rows) > 1 else "")
