"""`sloth kube logs`: what a pod's containers write."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.kube_options import Where, kube_verb
from sloth.model.options import Outcome


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "logs")
    def logs(
        where: Where,
        pod: Annotated[str, typer.Argument(help="Name of the pod.")],
        *,
        container: Annotated[str, typer.Option("--container", "-c", help="Container.", show_default=False)] = "",
        follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
        previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the container's run before this one.")] = False,
        timestamps: Annotated[bool, typer.Option("--timestamps", help="With the time of each line.")] = False,
        tail: Annotated[int, typer.Option("--tail", help="Only so many lines of the end.", show_default=False)] = -1,
        since: Annotated[int, typer.Option("--since", help="Only of the last so many seconds.", show_default=False)] = 0,
    ) -> Outcome:
        """Print a pod's log."""
        query = [
            ("container", container),
            ("follow", "true" if follow else ""),
            ("previous", "true" if previous else ""),
            ("timestamps", "true" if timestamps else ""),
            ("tailLines", str(tail) if tail >= 0 else ""),
            ("sinceSeconds", str(since) if since else ""),
        ]
        return print_log(where, pod, [(key, value) for key, value in query if value])


def print_log(where: Where, pod: str, query: list[tuple[str, str]]) -> Outcome:
    """The verb without its command line: the log goes to stdout as it comes, bytes as they are. Raises SlothError."""
    import sys

    with where.client() as client, client.open(client.run(client.api.log_request(pod, query=query))) as chunks:
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    return Outcome("KubeLogs")
