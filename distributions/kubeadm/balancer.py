"""The balancer on every node: kubelets, kube-proxy and kubectl reach any living API server through one local address."""

from __future__ import annotations

from sloth.api import Cluster, Put, Step

from .layout import API_PORT
from .text import text
from .unit import Unit

_CONFIG = "/etc/sloth/api-balancer.cfg"


def config(cluster: Cluster) -> str:
    """HAProxy's configuration over all control-plane nodes of the plan."""
    servers = [f"  server {node.name} {node.mesh_address}:{API_PORT}" for node in cluster.control_plane]
    return text("api-balancer.cfg", SERVERS="\n".join(servers))


def steps(cluster: Cluster) -> list[Step]:
    """Configuration and unit. When control-plane nodes come or go it reloads, which refuses no connection."""
    unit = Unit(name="sloth-api-balancer", reads=[_CONFIG], binary="/usr/sbin/haproxy", reload=True)
    return [Put(path=_CONFIG, content=config(cluster)), *unit.steps()]
