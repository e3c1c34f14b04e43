"""The plugin itself: what is RKE2's own; all else is `sloth.supervised`.

The CIS profile: docs.rke2.io "CIS Hardening Guide": host-level requirements (user and group `etcd`, kernel settings), which
RKE2 checks when it starts and does not make itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sloth.api import (
    API_FILES,
    KUBELET_SYSCTL,
    Cluster,
    ClusterSpec,
    ConfigError,
    Do,
    Flavour,
    Node,
    SlothError,
    Step,
    Supervised,
)

from .releases import DOWNLOADS, RELEASES


class Rke2(Supervised):
    """RKE2 with embedded etcd."""

    name = "rke2"
    releases = RELEASES
    downloads = DOWNLOADS
    disable_example = ("rke2-ingress-nginx", "rke2-metrics-server")
    flavour = Flavour(
        name="rke2",
        server_unit="rke2-server",
        agent_unit="rke2-agent",
        kubectl="/var/lib/rancher/rke2/bin/kubectl",
        coredns="rke2-coredns-rke2-coredns",
        metrics="rke2-metrics-server",
        scale_dns=False,  # it brings an autoscaler
        supervisor_port=9345,
        static_pods=True,
    )

    def options_schema(self) -> Mapping[str, Any]:
        """Beside the common ones, the CIS profile."""
        hardening = {
            "title": "Hardening",
            "description": "`cis`: RKE2's profile for the CIS benchmark, and what it asks of hosts (RKE2 only).",
            "enum": ["default", "cis"],
            "default": "default",
            "examples": ["cis"],
        }
        common = super().options_schema()
        return {**common, "properties": {**common["properties"], "hardening": hardening}}

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Secrets cannot be left as they are."""
        found = list(super().check(spec))
        if not spec.kubernetes.encryption:
            found.append(
                ConfigError(
                    "kubernetes/always-encrypted",
                    "spec.kubernetes.encryption: rke2 always encrypts Secrets inside etcd",
                    where="spec.kubernetes.encryption.enabled",
                    hint="remove `encryption`, or set its `enabled` to true",
                )
            )
        return found

    def own_settings(self, node: Node, cluster: Cluster) -> Mapping[str, Any]:
        """No CNI of its own: pods are routed by the mesh. The API server, a pod, is shown sloth's files."""
        profile = {"profile": "cis"} if _hardened(cluster) else {}
        if not node.is_control_plane:
            return profile
        return {"cni": ["none"], "kube-apiserver-extra-mount": [f"{API_FILES}:{API_FILES}:ro"], **profile}

    def own_host(self, node: Node, cluster: Cluster) -> Sequence[Step]:
        """The profile asks for a user `etcd` where etcd runs."""
        if not (_hardened(cluster) and node.is_control_plane):
            return ()
        return (
            Do(
                title="have a user etcd",
                unless="getent passwd etcd >/dev/null && getent group etcd >/dev/null",
                run="useradd --system --comment 'etcd user' --shell /sbin/nologin --no-create-home --user-group etcd",
                hint="getent passwd etcd; getent group etcd on the node: both must exist, or none",
            ),
        )

    def own_sysctl(self, cluster: Cluster) -> Mapping[str, str]:
        """The profile protects the kubelet's defaults: they must be what the kubelet wants."""
        return KUBELET_SYSCTL if _hardened(cluster) else {}


def _hardened(cluster: Cluster) -> bool:
    return cluster.spec.kubernetes.options.get("hardening") == "cis"
