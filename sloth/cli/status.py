"""`sloth status`: the cluster as it is now, from live answers only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.model.cluster import Cluster
    from sloth.model.node import Lease


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "status")
    def status(options: Options) -> Outcome:
        """Ask every node once and show what it says; what could not be read is `unknown`."""
        return show_status(options)


def show_status(options: Options) -> Outcome:
    """The verb without its command line. Exit 15 unless every node runs, answers and is Ready. Raises SlothError."""
    from sloth.app import known_spec
    from sloth.desk import desk
    from sloth.flows.status import phases

    loaded = known_spec(options)
    with desk(options, loaded, "status", lock=False) as here:
        cluster = here.run(phases(here.tools), here.cluster(as_recorded=True))
    ready = readiness(cluster)
    rows = [_row(lease, cluster, ready) for lease in cluster.record.leases]
    # Kubernetes takes a node for Ready for 40 s after its last word, so what is seen of it counts, too.
    healthy = bool(rows) and all((x["machine"], x["state"], x["ready"]) == ("running", "joined", "Ready") for x in rows)
    data = {"cluster": cluster.spec.name, "kubernetes": cluster.version, "healthy": healthy, "nodes": rows}
    return Outcome("Status", data=data, show=lambda chosen: _show(data, chosen), exit=0 if healthy else 15)


def readiness(cluster: Cluster) -> dict[str, str]:
    """Node name -> what a control-plane node says of it; the first that answers speaks."""
    for node in cluster.control_plane:
        words = cluster.fact(node.name).get("kube.nodes").split()
        if words:
            return dict(word.rpartition(":")[::2] for word in words)
    return {}


def _row(lease: Lease, cluster: Cluster, ready: dict[str, str]) -> dict[str, Any]:
    fact = cluster.fact(lease.name)
    machine = next((node.machine for node in cluster.nodes if node.name == lease.name), None)
    return {
        "name": lease.name,
        "role": lease.role,
        "provider": lease.provider,
        "address": machine.address if machine else "",
        "mesh": lease.mesh_address,
        "machine": "running" if machine else "missing",
        "version": fact.get("kube.version", "unknown"),
        "state": fact.get("kube.state", "unknown"),
        "ready": ready.get(lease.name, "unknown"),
    }


def _show(data: dict[str, Any], options: Options) -> None:
    from sloth.ui.tables import nodes

    nodes(data, options)
