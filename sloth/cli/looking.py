"""What `sloth status` and `sloth health` share: one look at a cluster, what it amounts to, and looking again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.executing import show_outcome
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.desk import Desk
    from sloth.errors import KubernetesError
    from sloth.health.finding import Finding
    from sloth.health.report import Report
    from sloth.health.view import View
    from sloth.model.node import Lease

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")]
Every = Annotated[float, typer.Option("--every", min=1.0, help="Seconds between two looks with --watch.")]
Look = Callable[[], Outcome]


def look(options: Options, verb: str, *, quiet: bool = False) -> tuple[dict[str, Any], Report]:
    """One look: data that `status` and `health` have in common, and the report. Raises SlothError."""
    from sloth.app import known_spec
    from sloth.desk import desk

    loaded = known_spec(options)
    with desk(options, loaded, verb, lock=False, quiet=quiet) as here:
        return look_from(here)


def look_from(here: Desk, more: Sequence[Finding] = ()) -> tuple[dict[str, Any], Report]:
    """The same at a desk that is there already; `more` = findings that were made elsewhere."""
    from sloth.backup.memory import summary
    from sloth.flows.status import phases
    from sloth.health.etcd import leader, members
    from sloth.health.mesh import pairs
    from sloth.health.report import assess
    from sloth.phases.vitals import view_of

    tools = here.tools
    cluster = here.run(phases(tools), here.cluster(as_recorded=True))
    view = view_of(cluster, tools.distribution, time.time())
    report = assess(view, more)
    machines = {node.name: node.machine.address for node in cluster.nodes}
    data: dict[str, Any] = {
        "cluster": cluster.spec.name,
        "kubernetes": cluster.version,
        "healthy": report.healthy,
        "severity": report.severity.word,
        "nodes": [_row(lease, view, machines) for lease in view.leases],
        "mesh": pairs(view),
        "etcd": {"leader": leader(view), "members": len(members(view))} if view.etcd else None,
        "findings": [finding.as_dict() for finding in report.findings],
        "backup": summary(cluster.record, time.time()),
    }
    return data, report


def _row(lease: Lease, view: View, machines: dict[str, str]) -> dict[str, Any]:
    from sloth.health.nodes import readiness

    fact = view.fact(lease.name)
    return {
        "name": lease.name,
        "role": lease.role,
        "provider": lease.provider,
        "address": machines.get(lease.name, ""),
        "mesh": lease.mesh_address,
        "machine": "running" if lease.name in machines else "missing",
        "version": fact.get("kube.version", "unknown"),
        "state": fact.get("kube.state", "unknown"),
        "ready": readiness(view).get(lease.name, "unknown"),
    }


def outcome_of(kind: str, data: dict[str, Any], report: Report, show: Callable[[Options], None]) -> Outcome:
    """The outcome with the exit code of the severity. Warnings are warnings; what is worse is a failure in the envelope."""
    from sloth.errors import ManyErrors
    from sloth.health.severity import Severity

    bad = [finding for finding in report.problems if finding.severity > Severity.WARNING]
    errors = [_error(finding) for finding in bad]
    failure = errors[0] if len(errors) == 1 else ManyErrors("the cluster is not well", errors) if errors else None
    warnings = tuple(_line(finding) for finding in report.problems if finding.severity == Severity.WARNING)
    return Outcome(kind, data=data, show=show, exit=report.severity.exit, warnings=warnings, failure=failure)


def _line(finding: Finding) -> str:
    return f"{finding.area} {finding.subject}: {finding.summary}".replace(" :", ":")


def _error(finding: Finding) -> KubernetesError:
    from sloth.errors import KubernetesError
    from sloth.health.severity import Severity

    code = "health/unknown" if finding.severity == Severity.UNKNOWN else "health/critical"
    error = KubernetesError(code, _line(finding), where=finding.subject, hint=finding.hint or "sloth health")
    error.exit = finding.severity.exit
    return error


def watched(options: Options, once: Look, every: float, pause: Callable[[float], None] = time.sleep) -> Outcome:
    """Show a look, wait, look again; Ctrl-C ends it with the exit code of the last look."""
    from sloth.errors import Interrupted

    last = Outcome("")
    try:
        while True:
            last = once()
            if options.output == "text" and sys.stdout.isatty():
                sys.stdout.write("\x1b[H\x1b[2J")
            show_outcome(options, last)
            sys.stdout.flush()
            pause(every)
    except (KeyboardInterrupt, Interrupted):
        return replace(last, kind="", show=None)
