"""`sloth kube top` and `sloth kube whoami`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sloth.cli.kube_options import Where, kube_verb
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.model.secret import Secret

What = Annotated[Literal["nodes", "pods"], typer.Argument(help="nodes or pods.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Pods of every namespace.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Only those with these labels.", show_default=False)]
Containers = Annotated[bool, typer.Option("--containers", help="Of each container of a pod.")]
Sort = Annotated[Literal["name", "cpu", "memory"], typer.Option("--sort-by", help="Order: the greatest first.")]
Sum = Annotated[bool, typer.Option("--sum", help="Also the sum of the pods.")]
NoHead = Annotated[bool, typer.Option("--no-headers", help="Without the first line.")]
TokenFile = Annotated[
    str, typer.Option("--token-file", help="Whose is the token in this file (- for stdin)?", show_default=False)
]
Audience = Annotated[list[str] | None, typer.Option("--audience", help="The token must be good for this; repeat for more.")]


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @kube_verb(group, "top")
    def top(
        where: Where,
        what: What,
        *,
        everywhere: Everywhere = False,
        labels: Labels = "",
        containers: Containers = False,
        sort: Sort = "name",
        total: Sum = False,
        no_headers: NoHead = False,
    ) -> Outcome:
        """Show what nodes or pods use of processor and memory."""
        from sloth.kube.show import aligned
        from sloth.kube.workloads.usage import node_rows, ordered, pod_rows, top_nodes, top_pods

        with where.client() as client:
            if what == "nodes":
                rows = node_rows(ordered(client.run(top_nodes(client.api, labels)), sort))
            else:
                found = client.run(top_pods(client.api, "*" if everywhere else None, labels, containers=containers))
                rows = pod_rows(ordered(found, sort), namespaces=everywhere, containers=containers, total=total)
        rows = rows[1:] if no_headers else rows
        return Outcome("KubeTop", text=aligned(rows) if rows else "")

    @kube_verb(group, "whoami")
    def whoami(where: Where, *, token_file: TokenFile = "", audiences: Audience = None) -> Outcome:
        """Say whom the cluster takes you for, or whose a token is."""
        from sloth.kube.show import aligned, cell
        from sloth.kube.workloads.identity import review, rows, who_am_i

        with where.client() as client:
            user = client.run(review(_token(token_file), audiences or ()) if token_file else who_am_i())
        return Outcome("KubeWhoami", text=aligned([[cell(word) for word in row] for row in rows(user)]))


def _token(name: str) -> Secret:
    import sys
    from pathlib import Path

    from sloth.errors import UsageError
    from sloth.model.secret import Secret

    try:
        text = (sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("kube/no-file", f"{name} cannot be read", detail=type(error).__name__, hint=f"ls {name}") from error
    if not text:
        raise UsageError("kube/no-file", f"there is no token in {name}", hint=f"ls -l {name}")
    return Secret(text)
