"""The plugin itself: what is K3s's own; all else is `sloth.supervised`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sloth.api import Cluster, Flavour, Node, Supervised

from .releases import DOWNLOADS, RELEASES

# docs.k3s.io, "Packaged Components", using the --disable flag.
COMPONENTS = ("coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes")


class K3s(Supervised):
    """K3s with embedded etcd."""

    name = "k3s"
    releases = RELEASES
    downloads = DOWNLOADS
    founding = {"cluster-init": True}
    flavour = Flavour(
        name="k3s",
        server_unit="k3s",
        agent_unit="k3s-agent",
        kubectl="/usr/local/bin/k3s",  # called as kubectl, it is one
        coredns="coredns",
        scale_dns=True,
        supervisor_port=6443,
        static_pods=False,
    )

    def options_schema(self) -> Mapping[str, Any]:
        """One field: components that are not wanted."""
        disable = {
            "type": "array",
            "title": "Disabled components",
            "description": "Components that the distribution brings and that are not deployed (K3s and RKE2 only).",
            "items": {"type": "string"},
            "uniqueItems": True,
            "default": [],
            "examples": [["traefik", "servicelb"]],
        }
        return {"type": "object", "properties": {"disable": disable}}

    def own_settings(self, node: Node, cluster: Cluster) -> Mapping[str, Any]:
        """No flannel: pods are routed by the mesh. K3s encrypts Secrets inside etcd only when told."""
        if not node.is_control_plane:
            return {}
        return {"flannel-backend": "none", "secrets-encryption": cluster.spec.kubernetes.encryption}
