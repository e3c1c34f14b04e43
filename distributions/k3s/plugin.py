"""The plugin itself: what is K3s's own; all else is `sloth.supervised`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sloth.api import Cluster, Flavour, Node, Supervised

from .releases import DOWNLOADS, RELEASES


class K3s(Supervised):
    """K3s with embedded etcd."""

    name = "k3s"
    releases = RELEASES
    downloads = DOWNLOADS
    founding = {"cluster-init": True}
    disable_example = ("traefik", "servicelb")
    flavour = Flavour(
        name="k3s",
        server_unit="k3s",
        agent_unit="k3s-agent",
        kubectl="/usr/local/bin/k3s",  # called as kubectl, it is one
        coredns="coredns",
        metrics="metrics-server",
        scale_dns=True,
        supervisor_port=6443,
        static_pods=False,
    )

    def own_settings(self, node: Node, cluster: Cluster) -> Mapping[str, Any]:
        """No flannel: pods are routed by the mesh. K3s encrypts Secrets inside etcd only when told."""
        if not node.is_control_plane:
            return {}
        return {"flannel-backend": "none", "secrets-encryption": cluster.spec.kubernetes.encryption}
