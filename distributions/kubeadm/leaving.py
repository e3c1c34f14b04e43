"""Taking a node out of a running cluster: what is generic about it is sloth's; this says where things are with kubeadm."""

from __future__ import annotations

from sloth.api import POD_WORDS, Cluster, EtcdAccess, Node, Script, leave

from .layout import ETCD_PKI, QUICK

KUBECTL = f"kubectl {QUICK}"
# The client certificate that kubeadm makes for probes of its etcd pod; etcd takes any that its CA signed.
ETCD = EtcdAccess(
    cacert=f"{ETCD_PKI}/ca.crt",
    cert=f"{ETCD_PKI}/healthcheck-client.crt",
    key=f"{ETCD_PKI}/healthcheck-client.key",
    data_dir="/var/lib/etcd",
    words=POD_WORDS,
)


def evict(server: Node, name: str, cluster: Cluster) -> Script[None]:
    """Take the drained node `name` out of Kubernetes and etcd. Each part that is done already is skipped."""
    return leave(server, name, cluster, kubectl=KUBECTL, etcd=ETCD)
