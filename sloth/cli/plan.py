"""`sloth plan`: what `sloth up` would do."""

from __future__ import annotations

from typing import Any

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "plan")
    def plan(options: Options) -> Outcome:
        """Show what `sloth up` would do: machines, and the steps on every node. Changes nothing."""
        return show_plan(options)


def show_plan(options: Options) -> Outcome:
    """Run the flow of `up` with rehearsing adapters and show what it asked for. Raises SlothError."""
    from sloth.app import load
    from sloth.desk import desk
    from sloth.flows.up import phases

    loaded = load(options)
    with desk(options, loaded, "plan", rehearse=True) as here:
        cluster = here.cluster()
        here.run(phases(here.tools), cluster)
        steps = here.planned()
        plan = cluster.plan
        data: dict[str, Any] = {
            "cluster": cluster.spec.name,
            "kubernetes": cluster.version,
            "add": list(plan.add),
            "keep": list(plan.keep),
            "remove": [lease.name for lease in plan.remove],
            "leases": [
                {"node": x.name, "role": x.role, "provider": x.provider, "mesh": x.mesh_address, "pods": x.pod_cidr}
                for x in plan.leases
            ],
            "steps": steps,
        }
    return Outcome("Plan", data=data, show=lambda chosen: _show(data, chosen))


def _show(data: dict[str, Any], options: Options) -> None:
    from sloth.ui.tables import plan

    plan(data, options)
