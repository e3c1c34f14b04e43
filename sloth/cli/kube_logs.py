"""`sloth kube logs`: what containers write, of one pod or of many side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_named import seconds
from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from sloth.kube.client import Client
    from sloth.kube.fronts.logs import LogOptions, Source

Pod = Annotated[str, typer.Argument(help="POD, or whose pods: deploy/NAME, svc/NAME, job/NAME …", show_default=False)]
Box = Annotated[str, typer.Argument(metavar="[CONTAINER]", help="Container, as --container.", show_default=False)]
Container = Annotated[str, typer.Option("--container", "-c", help="Container. Default: the pod's own.", show_default=False)]
Every = Annotated[bool, typer.Option("--all-containers", help="All containers, init containers too.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Of the pods with these labels.", show_default=False)]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")]
Previous = Annotated[bool, typer.Option("--previous", "-p", help="Of the container's run before this one.")]
Times = Annotated[bool, typer.Option("--timestamps", help="With the time of each line.")]
Prefix = Annotated[bool, typer.Option("--prefix", help="Pod and container before each line.")]
Tail = Annotated[int, typer.Option("--tail", help="Only so many lines of the end of each.", show_default=False)]
Since = Annotated[
    float,
    typer.Option("--since", parser=seconds, metavar="TIME", help="Only of the last seconds, or 5m, 3h.", show_default=False),
]
SinceTime = Annotated[str, typer.Option("--since-time", help="Only from then on: 2026-01-31T08:00:00Z.", show_default=False)]
Limit = Annotated[int, typer.Option("--limit-bytes", help="At most so many bytes of each.", show_default=False)]


@dataclass(frozen=True)
class Which:
    """Whose logs: a pod or an owner of pods, or labels; `prefix`: say at each line whose it is."""

    what: str = ""
    labels: str = ""
    prefix: bool = False


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "logs", many=True)
    def logs(
        where: Where,
        pod: Pod = "",
        box: Box = "",
        *,
        container: Container = "",
        every: Every = False,
        labels: Labels = "",
        follow: Follow = False,
        previous: Previous = False,
        timestamps: Times = False,
        prefix: Prefix = False,
        tail: Tail = -1,
        since: Since = 0.0,
        since_time: SinceTime = "",
        limit: Limit = 0,
    ) -> Outcome:
        """Print logs: of a pod, of all pods of a workload or service, or of those with certain labels."""
        from sloth.errors import UsageError
        from sloth.kube.fronts.logs import ALL, LogOptions

        if (every and (container or box)) or (container and box):
            raise UsageError("kube/which-logs", "one container or all of them", hint="leave --container or --all-containers out")
        if since and since_time:
            raise UsageError("kube/which-logs", "--since and --since-time exclude each other", hint="leave one of them out")
        begin = _time(since_time) if since_time else since or None
        options = LogOptions(
            ALL if every else container or box, follow, previous, timestamps, tail if tail >= 0 else None, begin, limit or None
        )
        return print_logs(where, Which(pod, labels, prefix), options)


def _time(text: str) -> datetime:
    from datetime import UTC, datetime

    from sloth.errors import UsageError

    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("kube/no-time", f"`{text}` is no time", hint="--since-time 2026-01-31T08:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def print_logs(where: Where, which: Which, options: LogOptions) -> Outcome:
    """The verb without its command line: logs go to stdout as they come. Raises SlothError."""
    from sloth.kube.fronts.logs import sources

    with where.client() as client:
        found = client.run(sources(client.api, which.what, None, which.labels, options))
        if len(found) == 1 and not (which.prefix or where.label):
            _as_it_is(client, found[0], options)
        else:
            _lines(where, client, found, which, options)
    return Outcome("")


def _as_it_is(client: Client, source: Source, options: LogOptions) -> None:
    """One log, byte for byte."""
    import sys

    from sloth.kube.fronts.gather import QUIET
    from sloth.kube.watch import SILENCE

    with client.open(source.request, QUIET if options.follow else SILENCE) as chunks:
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()


def _lines(where: Where, client: Client, found: Sequence[Source], which: Which, options: LogOptions) -> None:
    """Several logs: whole lines, so that none is broken by another's."""
    import sys

    from sloth.kube.fronts.gather import read

    for line in read(client.wire, found, follow=options.follow):
        words = [where.label] if where.label else []
        words += ["pod", line.pod, line.container] if which.prefix or where.label else []
        with where.once.lock:
            sys.stdout.buffer.write((f"[{'/'.join(words)}] ".encode() if words else b"") + line.raw + b"\n")
            if options.follow:
                sys.stdout.buffer.flush()
