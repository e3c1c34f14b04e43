"""The contract of a distribution, kept by way of a supervisor. A plugin says what is its own, and nothing more."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.errors import SlothError
from sloth.etcd.access import EtcdAccess
from sloth.hosting.host import HOST_TOOLS
from sloth.model.artifact import Need
from sloth.model.authorities import Rotation
from sloth.model.certificate import CertificateFile
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.join_tokens import JoinTokens
from sloth.model.node import Node
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, Role
from sloth.model.step import Script, Step
from sloth.nodes.leave import leave
from sloth.supervised import authorities, certs, checks, clean, encryption, member, releases, restore, upgrade
from sloth.supervised import tokens as token_rotation
from sloth.supervised.config import disabled
from sloth.supervised.flavour import Flavour
from sloth.supervised.prepare import TEXTS, prepare_steps
from sloth.supervised.releases import Downloads, Release


class Supervised(Distribution):
    """K3s and RKE2 are each a subclass with its own data, and few words of its own."""

    flavour: ClassVar[Flavour]
    releases: ClassVar[Sequence[Release]]  # newest first
    downloads: ClassVar[Downloads]
    founding: ClassVar[Mapping[str, Any]] = {}  # keys of the configuration that found a cluster
    disable_example: ClassVar[Sequence[str]]  # components that the flavour brings, as its documentation names them
    packages = tuple(HOST_TOOLS.values())

    @abstractmethod
    def own_settings(self, node: Node, cluster: Cluster) -> Mapping[str, Any]:
        """Keys of a node's config.yaml that only this flavour knows."""

    def own_host(self, node: Node, cluster: Cluster) -> Sequence[Step]:
        """Steps on the host that only this flavour needs."""
        return ()

    def own_sysctl(self, cluster: Cluster) -> Mapping[str, str]:
        """Kernel settings that only this flavour needs."""
        return {}

    def options_schema(self) -> Mapping[str, Any]:
        """One field: components that are not wanted."""
        disable = {
            "type": "array",
            "title": "Disabled components",
            "description": "Components that the distribution brings and that are not deployed (K3s and RKE2 only).",
            "items": {"type": "string"},
            "uniqueItems": True,
            "default": [],
            "examples": [list(self.disable_example)],
        }
        return {"type": "object", "properties": {"disable": disable}}

    def kubelet_unit(self, role: Role) -> str:
        """The supervisor's: it runs the kubelet."""
        return self.flavour.unit(server=role == "control-plane")

    def versions(self) -> Sequence[str]:
        """Exact versions known, newest first: `v1.36.2+k3s1`."""
        return tuple(release.version for release in self.releases)

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Flags and kubelet fields that sloth or the supervisor must set itself."""
        return checks.problems(spec, self.flavour)

    def needs(self, version: str) -> Sequence[Need]:
        """The supervisor and what goes with it. Raises KeyError for an unknown version."""
        known = {release.version: release for release in self.releases}
        return releases.needs(known[version], self.flavour, self.downloads)

    def probe(self) -> str:
        """State, version, units; on servers also the API server, etcd and the nodes that Kubernetes knows."""
        flavour = self.flavour
        return TEXTS.text(
            "probe.sh",
            NAME=flavour.name,
            DATA=flavour.data,
            MEMBERSHIP=flavour.membership,
            NOTE=flavour.note,
            BINARY=flavour.binary,
            VERSION_NOTE=flavour.version_note,
            SERVER_UNIT=flavour.server_unit,
            AGENT_UNIT=flavour.agent_unit,
            PORT=str(flavour.admin.port),
            KUBECTL=flavour.kubectl,
            ADMIN=flavour.admin.flags,
        )

    def prepare(self, node: Node, cluster: Cluster) -> Sequence[Step]:
        """Binaries, images, configuration, pod network, API balancer, unit."""
        return prepare_steps(
            node,
            cluster,
            self.flavour,
            own=self.own_settings(node, cluster),
            host=self.own_host(node, cluster),
            sysctl=self.own_sysctl(cluster),
        )

    def first_server(self, node: Node, cluster: Cluster) -> Script[None]:
        """Found the cluster, or what is missing of that."""
        return member.found(node, cluster, self.flavour, self.founding)

    def join_info(self, node: Node, cluster: Cluster) -> Script[JoinInfo]:
        """Tokens and the CA's hash."""
        return member.join_info(node, cluster, self.flavour)

    def join(self, node: Node, cluster: Cluster, info: JoinInfo) -> Script[None]:
        """Join as a server or an agent, or what is missing of that."""
        return member.join(node, cluster, info, self.flavour)

    def settle(self, server: Node, cluster: Cluster) -> Script[None]:
        """Labels, taints, DNS servers; then all Ready."""
        return self.flavour.settling(disabled(cluster.spec)).settle(cluster)

    def evict(self, server: Node, name: str, cluster: Cluster) -> Script[None]:
        """Kubernetes, then etcd. Its unit does not start again once its member was taken out."""
        return leave(server, name, cluster, kubectl=self.kubectl(), etcd=self.etcd_access())

    def remove(self, node: Node, cluster: Cluster) -> Script[None]:
        """Every process, mount, interface, rule and file of it."""
        return clean.remove(cluster, self.flavour)

    def kubeconfig(self, server: Node, cluster: Cluster) -> Script[Secret]:
        """The administrator's; its server is the node itself, which the caller replaces."""
        return member.kubeconfig(self.flavour)

    def etcd_access(self) -> EtcdAccess:
        """The embedded etcd."""
        return self.flavour.etcd

    def kubectl(self) -> str:
        """The command as the administrator, through the node's own balancer."""
        return f"kubectl {self.flavour.admin.quick}"

    def certificates(self) -> Sequence[CertificateFile]:
        """Those that the supervisor makes, on servers and on every node."""
        return certs.files(self.flavour)

    def renew(self, node: Node, cluster: Cluster) -> Script[None]:
        """`certificate rotate`, then a start."""
        return certs.renew(node, cluster, self.flavour)

    def new_tokens(self, node: Node, cluster: Cluster, tokens: JoinTokens) -> Script[Secret]:
        """Both by `token rotate` and the configuration, then a start."""
        return token_rotation.renew(node, cluster, tokens, self.flavour)

    def take_tokens(self, node: Node, cluster: Cluster, tokens: JoinTokens) -> Script[None]:
        """Both files, then a start."""
        return token_rotation.take(node, tokens, self.flavour)

    def renew_worker(self, node: Node, cluster: Cluster) -> Script[None]:
        """The same: an agent has its certificates signed when it starts, and they last a year."""
        return certs.renew(node, cluster, self.flavour)

    def authorities(self) -> Mapping[str, str]:
        """Servers', clients', the aggregation layer's, and etcd's two."""
        return authorities.paths(self.flavour, "crt")

    def authority_keys(self) -> Mapping[str, str]:
        """The keys beside them."""
        return authorities.paths(self.flavour, "key")

    def has_authorities(self, node: Node, rotation: Rotation) -> Script[bool]:
        """By what its agent was given when it started."""
        return authorities.has(rotation, self.flavour)

    def apply_authorities(self, node: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
        """`certificate rotate-ca` on the first server, then a restart."""
        return authorities.apply(node, cluster, rotation, self.flavour)

    def spread_authorities(self, server: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
        """ConfigMaps, and pods made anew."""
        return authorities.spread(rotation, self.flavour)

    def rotate_secret_key(self, server: Node, cluster: Cluster) -> Script[None]:
        """`secrets-encrypt rotate-keys`."""
        return encryption.rotate(self.flavour)

    def take_secret_key(self, node: Node, cluster: Cluster) -> Script[None]:
        """A restart."""
        return encryption.take(node, cluster, self.flavour)

    def await_secret_key(self, server: Node, cluster: Cluster) -> Script[None]:
        """By what `secrets-encrypt status` says of all servers."""
        return encryption.agree(self.flavour)

    def upgrade(self, node: Node, cluster: Cluster, *, first: bool) -> Script[None]:
        """New binary, new images, one restart."""
        return upgrade.upgrade(node, cluster, self.flavour)

    def settings_applied(self, facts: Facts, cluster: Cluster) -> bool:
        """Whether the supervisor has begun with the files that are there now."""
        return facts.get("kube.settings") != "stale"

    def apply_settings(self, node: Node, cluster: Cluster) -> Script[None]:
        """One restart, where `prepare` could not do it."""
        return upgrade.restart(node, cluster, self.flavour)

    def components(self, version: str) -> Mapping[str, Sequence[str]]:
        """CoreDNS and the metrics server, as the release notes name their versions."""
        parts = next((release.parts for release in self.releases if release.version == version), {})
        named = {self.flavour.coredns: "CoreDNS", self.flavour.metrics: "metrics-server"}
        return {workload: (parts[part],) for workload, part in named.items() if part in parts}

    def backup_paths(self) -> Sequence[str]:
        """Both tokens."""
        return restore.backup_paths(self.flavour)

    def halt(self, node: Node, cluster: Cluster) -> Script[None]:
        """Stop, with the data moved aside."""
        return restore.halt(node, self.flavour)

    def restore(self, node: Node, cluster: Cluster, snapshot: str) -> Script[None]:
        """`--cluster-reset` with `--cluster-reset-restore-path`."""
        return restore.restore(node, cluster, snapshot, self.flavour)

    def force_alone(self, node: Node, cluster: Cluster) -> Script[None]:
        """`--cluster-reset`."""
        return restore.force_alone(node, cluster, self.flavour)

    def revive(self, node: Node, cluster: Cluster) -> Script[None]:
        """Restart the agent."""
        return restore.revive(node, self.flavour)

    def scratch_etcd(self, cluster: Cluster) -> tuple[str, str]:
        """Upstream's etcd."""
        return restore.scratch_etcd()
