"""`sloth status --drift`: everything that differs from the spec, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.desk import Desk
    from sloth.model.drift import Drifted


def show_drift(options: Options) -> Outcome:
    """The verb without its command line. Exit 4 where something differs, 5 where something could not be compared."""
    from sloth.app import known_spec
    from sloth.desk import desk
    from sloth.health.severity import Severity, worst

    with desk(options, known_spec(options), "plan", rehearse=True) as here:
        found = look(here)
        name, version = here.loaded.spec.name, here.cluster().version
    severity = worst([Severity.HEALTHY, *(Severity.UNKNOWN if each.unread else Severity.WARNING for each in found)])
    data = {
        "cluster": name,
        "kubernetes": version,
        "severity": severity.word,
        "drift": [asdict(each) for each in found],
    }
    return Outcome("Drift", data=data, show=lambda chosen: _show(data, chosen), exit=severity.exit, failure=_failure(found))


def look(here: Desk) -> list[Drifted]:
    """Compare, in a rehearsal. In the order of the layers."""
    from sloth.flows.drift import phases
    from sloth.model.drift import Drifted

    assert here.rehearsal is not None  # noqa: S101  this is a rehearsal
    cluster = here.cluster()
    leaving: dict[str, list[str]] = {}
    for lease in cluster.plan.remove:
        leaving.setdefault(lease.provider, []).append(lease.name)
    here.rehearsal.leaving = leaving
    found: list[Drifted] = []
    here.run(phases(here.tools, found.append), cluster)
    machines = [
        Drifted(layer="machines", node=change.node, what=change.title, detail=", ".join(change.cause) or change.detail)
        for change in here.rehearsal.machines
        if change.action != "keep" and change.node not in leaving.get(change.provider, ())
    ]
    return [*machines, *found]


def _failure(found: list[Drifted]) -> Any:
    """What could not be compared is a failure; drift itself is news."""
    from sloth.errors import KubernetesError, ManyErrors
    from sloth.health.severity import Severity

    errors = []
    for each in found:
        if each.unread:
            error = KubernetesError(
                "health/unknown", f"{each.layer} {each.node}: {each.what}", where=each.node, hint="sloth health"
            )
            error.exit = Severity.UNKNOWN.exit
            errors.append(error)
    return errors[0] if len(errors) == 1 else ManyErrors("not everything could be compared", errors) if errors else None


def _show(data: dict[str, Any], options: Options) -> None:
    from sloth.ui.health_table import drift

    drift(data, options)
