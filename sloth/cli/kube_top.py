"""`sloth kube top`: what nodes and pods use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import KubernetesError, UsageError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.kube.workloads.usage import Usage

What = Annotated[str, typer.Argument(help="nodes or pods.")]
Names = Annotated[list[str] | None, typer.Argument(help="Only these.", show_default=False)]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Pods of every namespace.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Only those with these labels.", show_default=False)]
Containers = Annotated[bool, typer.Option("--containers", help="Of each container of a pod.")]
Sort = Annotated[Literal["name", "cpu", "memory"], typer.Option("--sort-by", help="Order: the greatest first.")]
Sum = Annotated[bool, typer.Option("--sum", help="Also the sum of the pods.")]
NoHead = Annotated[bool, typer.Option("--no-headers", help="Without the first line.")]
_WORDS = {**dict.fromkeys(("nodes", "node", "no"), "nodes"), **dict.fromkeys(("pods", "pod", "po"), "pods")}


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "top", many=True)
    def top(
        where: Where,
        what: What,
        names: Names = None,
        *,
        everywhere: Everywhere = False,
        labels: Labels = "",
        containers: Containers = False,
        sort: Sort = "name",
        total: Sum = False,
        no_headers: NoHead = False,
    ) -> Outcome:
        """Show what nodes or pods use of processor and memory."""
        from sloth.cli.kube_many import tabled
        from sloth.kube.workloads.usage import node_rows, ordered, pod_rows, top_nodes, top_pods

        kind = _WORDS.get(what.lower())
        if kind is None:
            raise UsageError("kube/top-what", f"nothing measures {what}", hint="sloth kube top nodes, or top pods")
        with where.client() as client:
            if kind == "nodes":
                rows = node_rows(ordered(_named(client.run(top_nodes(client.api, labels)), names or (), "node"), sort))
            else:
                found = client.run(top_pods(client.api, "*" if everywhere else None, labels, containers=containers))
                found = ordered(_named(found, names or (), "pod"), sort)
                rows = pod_rows(found, namespaces=everywhere, containers=containers, total=total)
        return tabled("KubeTop", rows, head=not no_headers)


def _named(found: Sequence[Usage], names: Sequence[str], word: str) -> Sequence[Usage]:
    """Those with these names, all without. Raises KubernetesError: of one of them nothing is known."""
    missing = sorted(set(names) - {each.name for each in found})
    if missing:
        raise KubernetesError(
            "kube/not-measured",
            f"{word} {missing[0]} is not measured",
            detail=", ".join(missing),
            hint=f"sloth kube get {word} {missing[0]}",
        )
    return [each for each in found if not names or each.name in names]
