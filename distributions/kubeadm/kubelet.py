"""What is said to each kubelet: its own settings, and how it registers its node."""

from __future__ import annotations

from typing import Any

from sloth.api import RESOLVER, Cluster, Node, kubelet_file, kubelet_settings, own_labels, taints

from .layout import CRI_SOCKET


def settings(node: Node, cluster: Cluster) -> dict[str, Any]:
    """KubeletConfiguration fields of this node."""
    ours = {"cgroupDriver": "systemd", "serializeImagePulls": False, "resolvConf": RESOLVER}
    return kubelet_settings(node, cluster, ours)


def drop_in(node: Node, cluster: Cluster) -> str:
    """The file in the kubelet's --config-dir, which wins over what kubeadm writes for all nodes."""
    return kubelet_file(settings(node, cluster))


def registration(node: Node, cluster: Cluster) -> dict[str, Any]:
    """`nodeRegistration` of kubeadm's files. Kubernetes knows a node by its name and its mesh address only."""
    return {
        "name": node.name,
        "criSocket": CRI_SOCKET,
        "taints": taints(node, cluster),
        "imagePullSerial": False,
        "ignorePreflightErrors": list(node.machine.profile.ignore_preflight),
        "kubeletExtraArgs": [
            {"name": "node-ip", "value": node.mesh_address},
            {"name": "node-labels", "value": ",".join(own_labels(node))},
        ],
    }
