"""The balancer on every node: kubelets, kube-proxy and kubectl reach any living API server through one local address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sloth.hosting.text import HOSTING
from sloth.hosting.unit import Unit
from sloth.model.cluster import Cluster
from sloth.model.step import Put, Step

BALANCER_UNIT = "sloth-api-balancer"
BALANCER_CONFIG = "/etc/sloth/api-balancer.cfg"
API_PORT = 6443


@dataclass(frozen=True, kw_only=True)
class Front:
    """One local port, and the port on all control-plane nodes that it leads to. Health is always that of the API server."""

    name: str
    listen: int  # on 127.0.0.1
    port: int = API_PORT


def balancer_config(cluster: Cluster, fronts: Sequence[Front]) -> str:
    """HAProxy's configuration over all control-plane nodes of the plan."""
    return "\n".join([HOSTING.text("api-balancer.cfg"), *(_front(cluster, front) for front in fronts)])


def _front(cluster: Cluster, front: Front) -> str:
    servers = [f"  server {node.name} {node.mesh_address}:{front.port}" for node in cluster.control_plane]
    suffix = "" if front.name == "api" else f"-{front.name}"
    return HOSTING.text(
        "api-balancer-front.cfg",
        NAME=front.name,
        LISTEN=str(front.listen),
        SUFFIX=suffix,
        CHECKED=f" port {API_PORT}" if front.port != API_PORT else "",
        SERVERS="\n".join(servers),
    )


def balancer_steps(cluster: Cluster, fronts: Sequence[Front]) -> list[Step]:
    """Configuration and unit. When control-plane nodes come or go it reloads, which refuses no connection."""
    unit = Unit(name=BALANCER_UNIT, reads=[BALANCER_CONFIG], binary="/usr/sbin/haproxy", reload=True)
    return [Put(path=BALANCER_CONFIG, content=balancer_config(cluster, fronts)), *unit.steps()]
