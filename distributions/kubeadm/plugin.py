"""The plugin itself: each method hands over to the module that tells its story."""

from __future__ import annotations

from collections.abc import Sequence

from sloth.api import Cluster, ClusterSpec, Distribution, JoinInfo, Need, Node, Script, Secret, SlothError, Step

from . import checks, host, joining, kubeconfig, leaving, needs, prepare, reset, server, settle
from .text import text


class Kubeadm(Distribution):
    """Upstream Kubernetes by kubeadm."""

    name = "kubeadm"
    packages = host.PACKAGES

    def versions(self) -> Sequence[str]:
        """Exact versions known, newest first: what the needs, flags and files of this plugin are right for."""
        return needs.VERSIONS

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Flags and kubelet fields that sloth must set itself."""
        return checks.problems(spec)

    def needs(self, version: str) -> Sequence[Need]:
        """Binaries and images for that version."""
        return needs.needs(version)

    def probe(self) -> str:
        """State, versions, units; on control-plane nodes also the API server, etcd and the nodes that Kubernetes knows."""
        return text("probe.sh")

    def prepare(self, node: Node, cluster: Cluster) -> Sequence[Step]:
        """Runtime, binaries, images, pod network, API balancer, kubelet."""
        return prepare.steps(node, cluster)

    def first_server(self, node: Node, cluster: Cluster) -> Script[None]:
        """`kubeadm init`, or what is missing of it."""
        return server.first_server(node, cluster)

    def join_info(self, node: Node, cluster: Cluster) -> Script[JoinInfo]:
        """Token, CA hash and certificate key."""
        return joining.join_info(node, cluster)

    def join(self, node: Node, cluster: Cluster, info: JoinInfo) -> Script[None]:
        """`kubeadm join`, or what is missing of it."""
        return joining.join(node, cluster, info)

    def settle(self, server: Node, cluster: Cluster) -> Script[None]:
        """Labels, taints, DNS servers; then all Ready."""
        return settle.settle(server, cluster)

    def evict(self, server: Node, name: str, cluster: Cluster) -> Script[None]:
        """Drain, etcd, Kubernetes."""
        return leaving.evict(server, name, cluster)

    def remove(self, node: Node, cluster: Cluster) -> Script[None]:
        """`kubeadm reset` and all that it leaves behind."""
        return reset.remove(node, cluster)

    def kubeconfig(self, server: Node, cluster: Cluster) -> Script[Secret]:
        """admin.conf; its server is the node-local balancer, which the caller replaces."""
        return kubeconfig.read()
