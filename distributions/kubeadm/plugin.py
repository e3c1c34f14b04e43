"""The plugin itself: each method hands over to the module that tells its story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sloth.api import (
    CertificateFile,
    Cluster,
    ClusterSpec,
    Distribution,
    EtcdAccess,
    Facts,
    JoinInfo,
    Need,
    Node,
    Rotation,
    Script,
    Secret,
    SlothError,
    Step,
)

from . import (
    authorities,
    certs,
    checks,
    encryption,
    host,
    joining,
    kubeconfig,
    leaving,
    needs,
    prepare,
    reset,
    restore,
    server,
    settings,
    settle,
    upgrade,
)
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
        return settle.SETTLING.settle(cluster)

    def evict(self, server: Node, name: str, cluster: Cluster) -> Script[None]:
        """Drain, etcd, Kubernetes."""
        return leaving.evict(server, name, cluster)

    def etcd_access(self) -> EtcdAccess:
        """The stacked etcd of control-plane nodes."""
        return leaving.ETCD

    def kubectl(self) -> str:
        """The command as the administrator, through the node's own balancer."""
        return leaving.KUBECTL

    def certificates(self) -> Sequence[CertificateFile]:
        """Those that kubeadm makes, and the kubelet's."""
        return certs.files()

    def renew(self, node: Node, cluster: Cluster) -> Script[None]:
        """`kubeadm certs renew all`, then the static pods one after the other."""
        return certs.renew(node, cluster)

    def authorities(self) -> Mapping[str, str]:
        """The cluster's, etcd's and that of the front proxy."""
        return authorities.PATHS

    def has_authorities(self, node: Node, rotation: Rotation) -> Script[bool]:
        """By a note on the node."""
        return authorities.has(node, rotation)

    def apply_authorities(self, node: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
        """Files, kubeconfigs, new leaves, and restarts."""
        return authorities.apply(node, cluster, rotation)

    def spread_authorities(self, server: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
        """ConfigMaps, and pods made anew."""
        return authorities.spread(server, cluster, rotation)

    def upgrade(self, node: Node, cluster: Cluster, *, first: bool) -> Script[None]:
        """`kubeadm upgrade apply` on the first control-plane node, `kubeadm upgrade node` on all others."""
        return upgrade.upgrade(node, cluster, first=first)

    def components(self, version: str) -> Mapping[str, Sequence[str]]:
        """CoreDNS and kube-proxy."""
        return needs.components(version)

    def preload(self, node: Node, cluster: Cluster) -> Sequence[Step]:
        """The images of the new version."""
        return upgrade.preload(node, cluster)

    def settings_applied(self, facts: Facts, cluster: Cluster) -> bool:
        """By an annotation of each component's manifest, and the flags in it."""
        return settings.applied(facts, cluster)

    def apply_settings(self, node: Node, cluster: Cluster) -> Script[None]:
        """New manifests, one component after the other."""
        return settings.apply(node, cluster)

    def encryption_applied(self, facts: Facts, cluster: Cluster) -> bool:
        """By an annotation of the API server's manifest."""
        return encryption.applied(facts, cluster)

    def apply_encryption(self, node: Node, cluster: Cluster) -> Script[None]:
        """The file, the manifest, and a new API server pod."""
        return encryption.apply(node, cluster)

    def rewrite_secrets(self, server: Node, cluster: Cluster) -> Script[None]:
        """Replace all Secrets by themselves."""
        return encryption.rewrite(server, cluster)

    def backup_paths(self) -> Sequence[str]:
        """Authorities, the key of service accounts, and what the API server was configured with."""
        return restore.PATHS

    def halt(self, node: Node, cluster: Cluster) -> Script[None]:
        """`kubeadm reset`, with the data moved aside."""
        return restore.halt(node, cluster)

    def restore(self, node: Node, cluster: Cluster, snapshot: str) -> Script[None]:
        """`etcdutl snapshot restore`, then `kubeadm init` on it."""
        return restore.restore(node, cluster, snapshot)

    def force_alone(self, node: Node, cluster: Cluster) -> Script[None]:
        """A start with etcd's `--force-new-cluster`, then without it."""
        return restore.force_alone(node, cluster)

    def revive(self, node: Node, cluster: Cluster) -> Script[None]:
        """A restart of the kubelet."""
        return restore.revive(node, cluster)

    def scratch_etcd(self, cluster: Cluster) -> tuple[str, str]:
        """The program out of etcd's image."""
        return restore.scratch_etcd(cluster)

    def revoke_tokens(self, server: Node, cluster: Cluster) -> Script[None]:
        """Bootstrap tokens, and the certificates shared for joining."""
        return joining.revoke()

    def remove(self, node: Node, cluster: Cluster) -> Script[None]:
        """`kubeadm reset` and all that it leaves behind."""
        return reset.remove(node, cluster)

    def kubeconfig(self, server: Node, cluster: Cluster) -> Script[Secret]:
        """admin.conf; its server is the node-local balancer, which the caller replaces."""
        return kubeconfig.read()
