"""`sloth kube cordon`, `uncordon` and `drain`: nodes that take no new pods, and nodes that get rid of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_named import seconds
from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import KubernetesError, UsageError
from sloth.model.options import Outcome
from sloth.model.words import counted

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.workloads.evictions import Rules

Nodes = Annotated[list[str] | None, typer.Argument(help="Names of nodes.", show_default=False)]
Those = Annotated[str, typer.Option("--selector", "-l", help="Instead of names, nodes with these labels.", show_default=False)]
# What it says is always so; scripts that were written for kubectl have it.
DaemonSets = Annotated[bool, typer.Option("--ignore-daemonsets", hidden=True)]
Lose = Annotated[
    list[str] | None,
    typer.Option("--lose", help="NAMESPACE/POD that may go with its emptyDir, or though nothing manages it; repeat for more."),
]
EmptyDirs = Annotated[
    bool, typer.Option("--delete-emptydir-data", help="All pods with an emptyDir may go, and its data with them.")
]
Force = Annotated[bool, typer.Option("--force", help="All pods that nothing manages may go: they do not come back.")]
Budgets = Annotated[
    list[str] | None,
    typer.Option("--force-budget", metavar="NAMESPACE/NAME", help="Disruption budget to give up for this once; repeat for more."),
]
Labels = Annotated[str, typer.Option("--pod-selector", help="Only pods with these labels.", show_default=False)]
Grace = Annotated[
    int, typer.Option("--grace-period", help="Seconds that each pod has to end. Default: its own.", show_default=False)
]
Timeout = Annotated[float, typer.Option("--timeout", parser=seconds, metavar="TIME", help="For each node: seconds, or 5m, 1h.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="The server is asked, nothing is changed.")]


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @kube_verb(group, "cordon")
    def cordon(where: Where, nodes: Nodes = None, *, those: Those = "", dry_run: DryRun = False) -> Outcome:
        """Let no new pods onto nodes."""
        return mark(where, nodes or (), those, on=True, dry_run=dry_run)

    @kube_verb(group, "uncordon")
    def uncordon(where: Where, nodes: Nodes = None, *, those: Those = "", dry_run: DryRun = False) -> Outcome:
        """Let pods onto nodes again."""
        return mark(where, nodes or (), those, on=False, dry_run=dry_run)

    @kube_verb(group, "drain")
    def drain(
        where: Where,
        nodes: Nodes = None,
        *,
        those: Those = "",
        lose: Lose = None,
        empty_dirs: EmptyDirs = False,
        force: Force = False,
        budgets: Budgets = None,
        labels: Labels = "",
        grace: Grace = -1,
        timeout: Timeout = 300.0,
        daemon_sets: DaemonSets = True,
        dry_run: DryRun = False,
    ) -> Outcome:
        """Cordon nodes and evict their pods, one node after the other; disruption budgets are respected."""
        from sloth.kube.workloads.evictions import Rules
        from sloth.kube.workloads.triage import Allow

        allow = Allow(tuple(lose or ()), empty_dirs, force)
        rules = Rules(allow, timeout, None if grace < 0 else grace, labels, dry_run, budgets=tuple(budgets or ()))
        return drain_nodes(where, nodes or (), those, rules)


def _found(client: Client, nodes: Sequence[str], labels: str) -> list[str]:
    """Their names. Raises UsageError (names and a selector, or neither), KubernetesError (it finds none), ApiError."""
    if bool(nodes) == bool(labels):
        raise UsageError("kube/target", "either names or a selector says which nodes are meant", hint="sloth kube get nodes")
    if nodes:
        return [name.removeprefix("nodes/").removeprefix("node/") for name in nodes]
    found = [item["metadata"]["name"] for item in client.list("nodes", labels=labels)]
    if not found:
        raise KubernetesError("kube/nothing-there", f"no node has the labels {labels}", hint="sloth kube get nodes --show-labels")
    return found


def mark(where: Where, nodes: Sequence[str], labels: str = "", *, on: bool, dry_run: bool) -> Outcome:
    """The verbs cordon and uncordon without their command line. Raises SlothError."""
    from sloth.kube.workloads.draining import cordon

    word, lines = "cordoned" if on else "uncordoned", []
    with where.client() as client:
        for node in _found(client, nodes, labels):
            changed = client.run(cordon(client.api, node, on=on, dry_run=dry_run))
            lines.append(f"{node} {'would be' if dry_run else 'is'} {word}" if changed else f"{node} was {word} before")
    return Outcome("KubeCordon", text="\n".join(lines))


def drain_nodes(where: Where, nodes: Sequence[str], labels: str, rules: Rules) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.kube.workloads.draining import drain_all

    with where.client() as client:
        done = client.run(drain_all(client.api, _found(client, nodes, labels), rules, where.say))
    word = "would be drained (dry run)" if rules.dry_run else "is drained"
    lines = [f"{node} {word}: {counted(len(found.evict), 'pod')} evicted, {len(found.left)} left" for node, found in done]
    return Outcome("KubeDrain", text="\n".join(lines))
