"""`sloth nodes exec`: one command on many nodes at once."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sloth.cli.nodes_work import duration
from sloth.cli.options import verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.model.cluster import Cluster
    from sloth.model.node import Node
    from sloth.phases.run_command import Said

Role = Annotated[
    Literal["control-plane", "worker"] | None, typer.Option("--role", help="Only nodes of this role.", show_default=False)
]
Pools = Annotated[list[str] | None, typer.Option("--pool", help="Only nodes of this pool; repeat.", show_default=False)]
Nodes = Annotated[list[str] | None, typer.Option("--node", help="Only this node; repeat.", show_default=False)]
Width = Annotated[int, typer.Option("--parallel", min=1, max=512, help="On how many nodes at once.")]
Limit = Annotated[str, typer.Option("--timeout", help="How long the command may take on a node: 90s, 5m, 1h.")]
Command = Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command, after `--`; one word is shell text.")]


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @verb(group, "exec")
    def exec_(
        options: Options,
        command: Command,
        *,
        role: Role = None,
        pool: Pools = None,
        node: Nodes = None,
        parallel: Width = 64,
        timeout: Limit = "5m",
    ) -> Outcome:
        """Run a command as root on many nodes side by side: sloth nodes exec --role worker -- uptime"""
        text = shlex.join(command) if len(command) > 1 else "".join(command)
        chosen = (role or "", tuple(pool or ()), tuple(node or ()))
        return run_everywhere(options, text, chosen, width=parallel, seconds=duration(timeout) or 300.0)


def run_everywhere(
    options: Options, text: str, chosen: tuple[str, Sequence[str], Sequence[str]], *, width: int = 64, seconds: float = 300.0
) -> Outcome:
    """The verb without its command line. `chosen` = role, pools and nodes; empty ones choose all. Raises SlothError."""
    from sloth.app import known_spec
    from sloth.desk import desk
    from sloth.flows.nodes import reach
    from sloth.phases.run_command import RunCommand

    with desk(options, known_spec(options), "nodes-exec") as here:
        here.rig.stop.verb = "nodes exec"
        phase = RunCommand(lambda cluster: choose(cluster, *chosen), text, seconds=seconds, width=width)
        cluster = here.run([*reach(here.tools), phase], here.cluster(as_recorded=True))
    rows = [_row(said) for said in phase.said]
    worst = max((said.exit for said in phase.said), default=0)
    data = {"cluster": cluster.spec.name, "nodes": rows, "worst": worst}
    return Outcome("NodesExec", data=data, show=lambda _: _show(rows), exit=worst)


def choose(cluster: Cluster, role: str, pools: Sequence[str], names: Sequence[str]) -> list[Node]:
    """Running nodes that fit all that is given. Raises UsageError if one of `names` does not run, or nobody is left."""
    from sloth.phases.server import running

    known = {lease.pool for lease in cluster.record.leases}
    strange = [pool for pool in pools if pool not in known]
    if strange:
        raise UsageError(
            "usage/unknown-pool",
            f"{cluster.spec.name} has no nodes of a pool {', '.join(strange)}",
            detail=f"pools with nodes: {', '.join(sorted(known)) or 'none'}",
            hint="sloth nodes list",
        )
    among = running(cluster, names) if names else list(cluster.nodes)
    fit = [node for node in among if (not role or node.role == role) and (not pools or node.lease.pool in pools)]
    if not fit:
        raise UsageError("usage/no-node", f"no running node of {cluster.spec.name} fits what was asked", hint="sloth nodes list")
    return fit


def _row(said: Said) -> dict[str, Any]:
    error = said.error.summary if said.error else ""
    return {"node": said.node, "exit": said.exit, "stdout": said.out, "stderr": said.err, "error": error}


def _show(rows: Sequence[dict[str, Any]]) -> None:
    """What each said, its name before every line; what went to stderr there goes to stderr here."""
    wide = max((len(row["node"]) for row in rows), default=0)
    for row in rows:
        for stream, text in ((sys.stdout, row["stdout"]), (sys.stderr, row["stderr"]), (sys.stderr, row["error"])):
            stream.writelines(f"{row['node']:<{wide}} | {line}\n" for line in text.splitlines())
        if row["exit"] and not row["error"]:
            sys.stderr.write(f"{row['node']:<{wide}} | ended with {row['exit']}\n")
