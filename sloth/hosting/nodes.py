"""What Kubernetes is told of one node: labels, taints and the fields of its kubelet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sloth.hosting.text import merged, yaml_text
from sloth.model.cluster import Cluster
from sloth.model.node import Node

ROLE_LABEL = "node-role.kubernetes.io/control-plane"
CONTROL_PLANE_TAINT = {"key": ROLE_LABEL, "effect": "NoSchedule"}
RESOLVER = "/run/sloth/resolv.conf"  # made by sloth-pod-dns: which resolver pods get for names outside the cluster


def kubelet_settings(node: Node, cluster: Cluster, ours: Mapping[str, Any]) -> dict[str, Any]:
    """KubeletConfiguration fields of this node: the pool's over the cluster's over the machine's over the distribution's."""
    pool = cluster.spec.pool(node.lease.pool)
    return merged(ours, node.machine.profile.kubelet, cluster.spec.kubernetes.kubelet, pool.kubelet)


def kubelet_file(settings: Mapping[str, Any]) -> str:
    """A KubeletConfiguration with these fields."""
    return yaml_text({"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", **settings})


def taint(text: str) -> dict[str, str]:
    """A taint as the API has it, from `key=value:Effect` or `key:Effect`."""
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return {"key": key, **({"value": value} if value else {}), "effect": effect}


def taint_text(each: Mapping[str, str]) -> str:
    """A taint as `kubectl taint` writes it: `key=value:Effect`."""
    value = f"={each['value']}" if each.get("value") else ""
    return f"{each['key']}{value}:{each['effect']}"


def taints(node: Node, cluster: Cluster) -> list[dict[str, str]]:
    """The taints that this node shall have. Without workers, control-plane nodes take ordinary pods too."""
    own = [taint(each) for each in node.taints]
    return [*own, dict(CONTROL_PLANE_TAINT)] if node.is_control_plane and cluster.workers else own


def labels(node: Node, *, role: bool = True) -> dict[str, str]:
    """The labels that this node shall have. `role` false: the distribution gives its control-plane nodes their label itself."""
    mark = {ROLE_LABEL: ""} if role and node.is_control_plane else {}
    return {**node.labels, **mark, "sloth.dev/pool": node.lease.pool}


def own_labels(node: Node) -> list[str]:
    """`key=value` of the labels that a kubelet may give itself (NodeRestriction); the settling step gives the others."""
    return [f"{key}={value}" for key, value in sorted(labels(node).items()) if not _reserved(key)]


def _reserved(label: str) -> bool:
    domain = label.partition("/")[0]
    return "/" in label and (domain.endswith("kubernetes.io") or domain.endswith("k8s.io"))
