"""The pod network `mesh`: the standard CNI plugins on each node, WireGuard between them, one encapsulation."""

from __future__ import annotations

import json
from typing import Any

from sloth.api import Cluster, Node, Put, Step

from .layout import mesh_mtu
from .text import text
from .unit import Unit

_SCRIPT = "/usr/local/lib/sloth/pod-network"
_DNS_SCRIPT = "/usr/local/lib/sloth/pod-dns"


def conflist(node: Node, cluster: Cluster) -> dict[str, Any]:
    """The CNI configuration: addresses from the node's own lease, the node as gateway."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,  # only what leaves the cluster is masqueraded: see files/pod-network.sh
        "hairpinMode": True,
        "mtu": mesh_mtu(cluster),
        "ipam": {
            "type": "host-local",
            # Below /run: after a reboot no pod holds an address any more, and none must look taken.
            "dataDir": "/run/sloth/ipam",
            "ranges": [[{"subnet": node.lease.pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "sloth", "plugins": [bridge, ports]}


def steps(node: Node, cluster: Cluster) -> list[Step]:
    """CNI configuration, and the unit for traffic between pods and the outside."""
    network = cluster.spec.network
    script = text(
        "pod-network.sh",
        PODS=network.pods,
        SERVICES=network.services,
        MESH=cluster.spec.mesh.cidr,
        NODE_PODS=node.lease.pod_cidr,
    )
    unit = Unit(name="sloth-pod-network", reads=[_SCRIPT], binary="/usr/sbin/nft")
    dns = Unit(name="sloth-pod-dns", reads=[_DNS_SCRIPT], binary="/usr/bin/socat")
    return [
        Put(path="/etc/cni/net.d/10-sloth.conflist", content=json.dumps(conflist(node, cluster), indent=2) + "\n"),
        Put(path=_SCRIPT, content=script, mode=0o755),
        *unit.steps(),
        Put(path=_DNS_SCRIPT, content=text("pod-dns.sh", ADDRESS=node.mesh_address), mode=0o755),
        *dns.steps(),
    ]
