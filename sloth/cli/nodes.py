"""`sloth nodes`: the cluster's nodes. Here the list; what changes them is in the modules beside this one."""

from __future__ import annotations

from typing import Any

import typer

from sloth.cli import nodes_change, nodes_exec, nodes_work
from sloth.cli.options import verb
from sloth.model.options import Options, Outcome


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "list")
    def list_(options: Options) -> Outcome:
        """List the nodes: role, provider, addresses, machine. Asks the providers, not the nodes."""
        return list_nodes(options)

    for module in (nodes_change, nodes_work, nodes_exec):
        module.register(group)


def list_nodes(options: Options) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.app import known_spec
    from sloth.desk import desk
    from sloth.phases.survey import Survey

    with desk(options, known_spec(options), "nodes", lock=False) as here:
        cluster = here.run([Survey()], here.cluster(as_recorded=True))
    machines = {node.name: node.machine for node in cluster.nodes}
    rows: list[dict[str, Any]] = [
        {
            "name": lease.name,
            "role": lease.role,
            "provider": lease.provider,
            "address": machines[lease.name].address if lease.name in machines else "",
            "port": machines[lease.name].port if lease.name in machines else 0,
            "mesh": lease.mesh_address,
            "pods": lease.pod_cidr,
            "machine": "running" if lease.name in machines else "missing",
        }
        for lease in cluster.record.leases
    ]
    data = {"cluster": cluster.spec.name, "nodes": rows}
    return Outcome("Nodes", data=data, show=lambda chosen: _show(data, chosen))


def _show(data: dict[str, Any], options: Options) -> None:
    from sloth.ui.tables import nodes

    nodes(data, options)
