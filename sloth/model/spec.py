"""The cluster spec after validation: frozen, defaults filled in. `sloth.config` makes it; nothing else does.

Names and nesting are those of the YAML file in snake_case (docs/reference/spec.md is generated from the schema).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

EMPTY: Mapping[str, Any] = MappingProxyType({})
Role = Literal["control-plane", "worker"]


@dataclass(frozen=True, kw_only=True)
class HostSpec:
    """One existing host of a pool of provider `ssh`."""

    name: str
    address: str
    user: str = ""  # empty: the provider's `user`
    port: int = 22
    host_key: str = ""  # expected public key (`ssh-ed25519 AAAA…`) or fingerprint (`SHA256:…`); empty: from known_hosts


@dataclass(frozen=True, kw_only=True)
class PoolSpec:
    """A group of like nodes."""

    name: str
    role: Role
    provider: str
    count: int
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    taints: tuple[str, ...] = ()  # `key=value:Effect` or `key:Effect`
    kubelet: Mapping[str, Any] = field(default_factory=lambda: EMPTY)  # KubeletConfiguration fields, over the cluster's
    drain_timeout: float = 300.0  # seconds that the drain of one node may take
    max_unavailable: str = "100%"  # of its nodes at once, taken out by sloth or away by themselves; or a number of them
    hosts: tuple[HostSpec, ...] = ()
    options: Mapping[str, Any] = field(default_factory=lambda: EMPTY)  # the provider's own fields of a pool


@dataclass(frozen=True, kw_only=True)
class KubernetesSpec:
    """`spec.kubernetes`."""

    distribution: str = "kubeadm"
    version: str = "1.36"  # a minor or an exact version
    extra_sans: tuple[str, ...] = ()
    hostname: str = ""  # of the API, becomes a SAN and the kubeconfig's server name
    load_balancer: Literal["none", "provider"] = "none"  # before the API
    encryption: bool = True  # of Secrets at rest
    kubelet: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    # apiServer, controllerManager, scheduler, etcd -> flag -> value
    args: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: EMPTY)
    # registry -> addresses of its mirrors, tried in this order before the registry itself
    registries: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    # fields that only the distribution knows (its `options_schema`)
    options: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, kw_only=True)
class MeshSpec:
    """`spec.mesh`."""

    cidr: str = "10.90.0.0/16"
    port: int = 51820
    mtu: int = 0  # bytes; 0 = auto


@dataclass(frozen=True, kw_only=True)
class DnsSpec:
    """`spec.network.dns`: where the API's name is published."""

    provider: str = ""  # "" = nowhere
    zone: str = ""
    ttl: int = 300  # seconds


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """`spec.network`."""

    pods: str = "10.42.0.0/16"
    services: str = "10.43.0.0/16"
    cni: str = "mesh"
    dns_domain: str = "cluster.local"
    dns: DnsSpec = field(default_factory=DnsSpec)


@dataclass(frozen=True, kw_only=True)
class AccessSpec:
    """`spec.access`: who may reach machines at clouds from outside. CIDRs, or `auto` = this machine's public address."""

    ssh: tuple[str, ...] = ("auto",)
    api: tuple[str, ...] = ("auto",)


@dataclass(frozen=True, kw_only=True)
class ArtifactsSpec:
    """`spec.artifacts`."""

    source: Literal["auto", "upstream", "mirror", "build"] = "auto"
    mirror: str = ""  # URL or directory


@dataclass(frozen=True, kw_only=True)
class UpgradeSpec:
    """`spec.upgrade`: how workers are taken."""

    batch: str = "25%"  # of all workers, or a number of them
    canary: bool = True
    pause: str = "1m"  # after the canary and each batch


@dataclass(frozen=True, kw_only=True)
class KeepSpec:
    """`spec.backup.keep`: how many backups `sloth backup prune` leaves. All 0 = all of them."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0


@dataclass(frozen=True, kw_only=True)
class BackupSpec:
    """`spec.backup`."""

    to: str = ""  # address; empty = a directory of sloth's own on this machine
    schedule: str = ""  # cron line; empty = none
    keep: KeepSpec = field(default_factory=KeepSpec)
    access_key: Mapping[str, Any] = field(default_factory=lambda: EMPTY)  # references; empty = what the environment has
    secret_key: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """One cluster, as the user asked for it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    protect: bool = False
    kubernetes: KubernetesSpec = field(default_factory=KubernetesSpec)
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: EMPTY)  # provider name -> its options
    pools: tuple[PoolSpec, ...] = ()
    access: AccessSpec = field(default_factory=AccessSpec)
    mesh: MeshSpec = field(default_factory=MeshSpec)
    network: NetworkSpec = field(default_factory=NetworkSpec)
    artifacts: ArtifactsSpec = field(default_factory=ArtifactsSpec)
    backup: BackupSpec = field(default_factory=BackupSpec)
    upgrade: UpgradeSpec = field(default_factory=UpgradeSpec)

    def pool(self, name: str) -> PoolSpec:
        """The pool of that name. Raises KeyError."""
        for pool in self.pools:
            if pool.name == name:
                return pool
        raise KeyError(name)
