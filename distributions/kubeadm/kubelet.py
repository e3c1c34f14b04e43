"""What is said to each kubelet: its own settings, and how it registers its node."""

from __future__ import annotations

from typing import Any

from sloth.api import Cluster, Node

from .layout import CRI_SOCKET
from .text import merged, yaml_text

CONTROL_PLANE_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
ROLE_LABEL = "node-role.kubernetes.io/control-plane"


def settings(node: Node, cluster: Cluster) -> dict[str, Any]:
    """KubeletConfiguration fields of this node: the pool's over the cluster's over the machine's over ours."""
    pool = cluster.spec.pool(node.lease.pool)
    return merged(
        {"cgroupDriver": "systemd", "serializeImagePulls": False, "resolvConf": "/run/sloth/resolv.conf"},
        node.machine.profile.kubelet,
        cluster.spec.kubernetes.kubelet,
        pool.kubelet,
    )


def drop_in(node: Node, cluster: Cluster) -> str:
    """The file in the kubelet's --config-dir, which wins over what kubeadm writes for all nodes."""
    head = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
    return yaml_text({**head, **settings(node, cluster)})


def taint(text: str) -> dict[str, str]:
    """A taint as the API has it, from `key=value:Effect` or `key:Effect`."""
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return {"key": key, **({"value": value} if value else {}), "effect": effect}


def taints(node: Node, cluster: Cluster) -> list[dict[str, str]]:
    """The taints that this node shall have. Without workers, control-plane nodes take ordinary pods too."""
    own = [taint(each) for each in node.taints]
    return [*own, dict(CONTROL_PLANE_TAINT)] if node.is_control_plane and cluster.workers else own


def labels(node: Node) -> dict[str, str]:
    """The labels that this node shall have."""
    role = {ROLE_LABEL: ""} if node.is_control_plane else {}
    return {**node.labels, **role, "sloth.dev/pool": node.lease.pool}


def registration(node: Node, cluster: Cluster) -> dict[str, Any]:
    """`nodeRegistration` of kubeadm's files. Kubernetes knows a node by its name and its mesh address only."""
    # A kubelet may not give itself labels of these domains (NodeRestriction); the settling step gives them.
    own = {key: value for key, value in labels(node).items() if not _reserved(key)}
    return {
        "name": node.name,
        "criSocket": CRI_SOCKET,
        "taints": taints(node, cluster),
        "imagePullSerial": False,
        "ignorePreflightErrors": list(node.machine.profile.ignore_preflight),
        "kubeletExtraArgs": [
            {"name": "node-ip", "value": node.mesh_address},
            {"name": "node-labels", "value": ",".join(f"{key}={value}" for key, value in sorted(own.items()))},
        ],
    }


def _reserved(label: str) -> bool:
    domain = label.partition("/")[0]
    return "/" in label and (domain.endswith("kubernetes.io") or domain.endswith("k8s.io"))
