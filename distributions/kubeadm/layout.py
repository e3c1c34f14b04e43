"""Where things are: ports, paths and commands that several modules name."""

from __future__ import annotations

from sloth.api import Cluster, Delivery, Node

API_PORT = 6443
BALANCER = "127.0.0.1:6444"
CONFIG = "/etc/kubernetes/sloth-kubeadm.yaml"
JOIN_CONFIG = "/etc/kubernetes/sloth-join.yaml"
MEMBER = "/etc/sloth/kubeadm/member"  # written as the last step of init and join: this node is a member for good
NAMES = "/etc/sloth/kubeadm/names"  # what the API server's certificate on this node is made out to
PATCHES = "/etc/sloth/kubeadm/patches"
API_FILES = "/etc/sloth/apiserver"  # mounted into the API server
WHY = "/usr/local/lib/sloth/kube-why"
CRI_SOCKET = "unix:///run/containerd/containerd.sock"
ETCD_PKI = "/etc/kubernetes/pki/etcd"
AS_ADMIN = "--kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/sloth/kubectl"
QUICK = f"{AS_ADMIN} --request-timeout=10s"  # for kubectl commands that neither watch nor wait
API_ANSWERS = f'[ "$(curl -sk -m 2 https://{BALANCER}/readyz)" = ok ]'
OWN_API_ANSWERS = f'[ "$(curl -sk -m 2 https://127.0.0.1:{API_PORT}/readyz)" = ok ]'


def etcd_flags(nodes: tuple[Node, ...]) -> str:
    """Flags for `etcdctl` to reach the members on these nodes, with the certificates that kubeadm makes."""
    endpoints = ",".join(f"https://{node.mesh_address}:2379" for node in nodes)
    certs = f"--cacert {ETCD_PKI}/ca.crt --cert {ETCD_PKI}/healthcheck-client.crt --key {ETCD_PKI}/healthcheck-client.key"
    return f"--endpoints={endpoints} {certs} --dial-timeout=2s --command-timeout=8s"


def image_tag(delivery: Delivery, name: str) -> str:
    """The tag of the image of that name in the delivery, or "" when it is not in it."""
    return image(delivery, name).rpartition(":")[2]


def image(delivery: Delivery, name: str) -> str:
    """The reference of the image of that name in the delivery, or ""."""
    return next((each.ref for each in delivery.artifacts if each.kind == "image" and each.name == name), "")


def mesh_mtu(cluster: Cluster) -> int:
    """Bytes that fit through the mesh: 1420 unless the spec says otherwise (Ethernet less IPv6, UDP and WireGuard headers)."""
    return cluster.spec.mesh.mtu or 1420
