"""The pod network `mesh`: the standard CNI plugins on each node, WireGuard between them, one encapsulation."""

from __future__ import annotations

import json
from typing import Any

from sloth.hosting.text import HOSTING
from sloth.hosting.unit import Unit
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Put, Step

POD_NETWORK_UNITS = ("sloth-pod-network", "sloth-pod-dns")
CONF_DIR = "/etc/cni/net.d"
_NAME = "10-sloth.conflist"
_SCRIPT = "/usr/local/lib/sloth/pod-network"
_DNS_SCRIPT = "/usr/local/lib/sloth/pod-dns"


def mesh_mtu(cluster: Cluster) -> int:
    """Bytes that fit through the mesh: 1420 unless the spec says otherwise (Ethernet less IPv6, UDP and WireGuard headers)."""
    return cluster.spec.mesh.mtu or 1420


def cni_config(node: Node, cluster: Cluster) -> dict[str, Any]:
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


def cni_path(conf_dir: str = CONF_DIR) -> str:
    """Where the CNI configuration goes; other distributions than kubeadm's containerd look elsewhere."""
    return f"{conf_dir}/{_NAME}"


def pod_network_steps(node: Node, cluster: Cluster, conf_dir: str = CONF_DIR) -> list[Step]:
    """CNI configuration, and the units for traffic and names between pods and the outside."""
    network = cluster.spec.network
    script = HOSTING.text(
        "pod-network.sh",
        PODS=network.pods,
        SERVICES=network.services,
        MESH=cluster.spec.mesh.cidr,
        NODE_PODS=node.lease.pod_cidr,
    )
    unit = Unit(name=POD_NETWORK_UNITS[0], reads=[_SCRIPT], binary="/usr/sbin/nft")
    dns = Unit(name=POD_NETWORK_UNITS[1], reads=[_DNS_SCRIPT], binary="/usr/bin/socat")
    return [
        Put(path=cni_path(conf_dir), content=json.dumps(cni_config(node, cluster), indent=2) + "\n"),
        Put(path=_SCRIPT, content=script, mode=0o755),
        *unit.steps(),
        Put(path=_DNS_SCRIPT, content=HOSTING.text("pod-dns.sh", ADDRESS=node.mesh_address), mode=0o755),
        *dns.steps(),
    ]
