"""`sloth kube get --watch`: what there is, then every change as it comes, of one cluster or of several."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sloth.cli.kube_get import Part, Question, parts_of, sorted_pages, word
from sloth.cli.kube_output import custom, renderer
from sloth.cli.kube_where import Where
from sloth.errors import SlothError, UsageError
from sloth.kube import show
from sloth.kube.api import Select
from sloth.kube.client import Client
from sloth.kube.watch import SILENCE, Event, Follow, Relist, Watch
from sloth.kube.wire import JSON, Object, Pause
from sloth.kube.workloads import columns
from sloth.kube.workloads.table_watch import TableWatch
from sloth.model.options import Outcome


def watch_objects(
    where: Where, question: Question, clusters: str = "", *, every: bool = False, only: bool = False, words: bool = False,
    stop: threading.Event | None = None,
) -> Outcome:  # fmt: skip
    """The verb without its command line; it ends by Ctrl-C, or by `stop`. `only`: without what there is; `words`: with EVENT.

    Raises SlothError.
    """
    _check(question)
    stop = stop or threading.Event()
    out = Printer(question, words=words, clusters=bool(clusters or every))
    if clusters or every:
        from sloth.cli.kube_clusters import names_of
        from sloth.cli.kube_many import everywhere

        return everywhere(where, names_of(where, clusters, every), lambda each: _watch(each, question, out, only=only, stop=stop))
    return _watch(where, question, out, only=only, stop=stop)


def _check(question: Question) -> None:
    if not question.tables:
        renderer(question.form)  # a form that is none is said before anything is asked
    if question.subresource:
        raise UsageError("kube/watch-what", "a subresource cannot be watched", hint="leave --subresource out")


def _watch(where: Where, question: Question, out: Printer, *, only: bool, stop: threading.Event) -> Outcome:
    with where.client() as client:
        parts = parts_of(client, question, where)
        if len(parts) != 1 or len(parts[0].named) > 1:
            raise UsageError(
                "kube/watch-what", "one kind is watched at a time, or one object", hint="sloth kube get pods --watch"
            )
        machine = machine_of(client, parts[0], question)
        first = True
        for events in batches(client, machine, question, stop):
            if not (first and only):
                out.take(events, machine, where.label, sort=question.sort if first else "")
            first = False
    return Outcome("")


def machine_of(client: Client, part: Part, question: Question) -> Watch:
    """The watch that fits: of rows for tables, else of objects."""
    select = Select(fields=f"metadata.name={part.named[0]}") if part.named else question.select
    kind: Callable[..., Watch] = TableWatch if question.tables else Watch
    place = client.api.place(part.resource, part.place or question.namespace or None)
    return kind(part.resource, place, select, client.wire.policy)


def batches(client: Client, machine: Watch, question: Question, stop: threading.Event) -> Iterator[list[Event]]:
    """What there is, at first as one batch, then changes in batches as they come, until `stop` is set. Raises SlothError."""
    while not stop.is_set():
        wanted = machine.plan()
        try:
            if isinstance(wanted, Pause):
                stop.wait(wanted.seconds)
            elif isinstance(wanted, Relist):
                yield _listed(client, machine, question)
            else:
                yield from _stream(client, machine, wanted, stop)
        except SlothError as error:
            if not stop.is_set():
                machine.failed(error)


def _listed(client: Client, machine: Watch, question: Question) -> list[Event]:
    tables = isinstance(machine, TableWatch)
    query = (("includeObject", "Object"),) if tables and question.sort else ()
    items: list[Object] = []
    version = token = ""
    while True:
        page = client.run(
            client.api.page(
                machine.resource, machine.namespace, select=machine.select, limit=question.size, token=token,
                accept=show.TABLE if tables else JSON, query=query,
            )
        )  # fmt: skip
        items += machine.rows(page.document) if isinstance(machine, TableWatch) else page.items
        version, token = version or page.version, page.token
        if not token:
            return machine.listed(items, version)


def _stream(client: Client, machine: Watch, wanted: Follow, stop: threading.Event) -> Iterator[list[Event]]:
    with client.open(wanted.request, SILENCE) as chunks:
        for chunk in chunks:
            events = machine.feed(chunk)
            if events:
                yield events
            machine.check()
            if stop.is_set():
                return
    machine.ended()


@dataclass
class Printer:
    """Writes events to stdout, of several clusters side by side. Columns become wider and never narrower."""

    question: Question
    words: bool = False
    clusters: bool = False
    widths: list[int] = field(default_factory=list)
    headed: bool = False
    written: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, events: Sequence[Event], machine: Watch, cluster: str, *, sort: str = "") -> None:
        """Write these. Raises UsageError (no object has the field to sort by)."""
        if not events:
            return
        with self.lock:
            chosen = custom(self.question.form)
            if chosen is not None:
                rows = [columns.row(chosen, each.object) for each in self._ordered(events, sort)]
                self._rows(columns.titles(chosen), rows, [each.type for each in events], cluster)
            elif isinstance(machine, TableWatch):
                self._rows(*self._table(events, machine, sort), [each.type for each in events], cluster)
            elif self.question.form == "name":
                self._lines(events, machine, cluster)
            else:
                self._whole(events, cluster, sort)
            sys.stdout.flush()

    def _table(self, events: Sequence[Event], machine: TableWatch, sort: str) -> tuple[list[str], list[list[str]]]:
        question = self.question
        page = machine.page([each.object for each in events])
        (page,) = sorted_pages([page], sort)
        part = Part(machine.resource, (), pages=[page])
        rows = part.rows(question, several=False)
        return rows[0], rows[1:]

    def _rows(self, titles: list[str], rows: list[list[str]], types: Sequence[str], cluster: str) -> None:
        if self.words:
            titles = ["EVENT", *titles]
            rows = [[kind, *row] for kind, row in zip(types, rows, strict=True)]
        if self.clusters:
            titles, rows = ["CLUSTER", *titles], [[cluster, *row] for row in rows]
        head = self.question.head and not self.headed
        self.headed = True
        shown = [titles, *rows] if head else rows
        self.widths = [
            max(old, *(len(row[at]) for row in (titles, *rows)))
            for at, old in enumerate(self.widths or [0] * len(titles))
        ]  # fmt: skip
        for row in shown:
            cells = [cell.ljust(width) for cell, width in zip(row, self.widths, strict=False)]
            sys.stdout.write("   ".join(cells).rstrip() + "\n")

    def _lines(self, events: Sequence[Event], machine: Watch, cluster: str) -> None:
        for each in events:
            line = f"{word(machine.resource)}/{show.cell(each.object['metadata']['name'])}"
            before = ([cluster] if self.clusters else []) + ([each.type] if self.words else [])
            sys.stdout.write("   ".join([*before, line]) + "\n")

    def _whole(self, events: Sequence[Event], cluster: str, sort: str) -> None:
        render = renderer(self.question.form)
        for each in self._ordered(events, sort):
            item = each.object if self.question.managers else show.without_managers(each.object)
            text = render([self._told(item, each.type, cluster)], True, True) if render else ""
            if self.question.form == "yaml" and self.written:
                sys.stdout.write("---\n")
            self.written = True
            sys.stdout.write(text if self.question.form.startswith("jsonpath") else text.rstrip("\n") + "\n")

    def _ordered(self, events: Sequence[Event], sort: str) -> Sequence[Event]:
        if not sort:
            return events
        from sloth.kube.workloads.ordering import ordered

        return ordered(events, sort, lambda each: each.object)

    def _told(self, item: Object, kind: str, cluster: str) -> Any:
        if self.clusters:
            from sloth.cli.kube_clusters import marked

            item = marked(cluster, item)
        return {"type": kind, "object": item} if self.words else item
