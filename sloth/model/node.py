"""A node: who it is (leased to its name for good), where it is, and what its machine is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sloth.model.secret import Secret
from sloth.model.spec import Role

EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Lease:
    """What belongs to a node's name and never moves to another: kept in the record."""

    name: str  # `pool-ordinal`, or `pool-hostname` for existing hosts
    pool: str
    role: Role
    provider: str
    mesh_address: str  # IPv4 address without prefix length
    pod_cidr: str
    ordinal: int = 0  # from 1; 0 for existing hosts


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a provider's machines need that an ordinary host does not (for example kubelet inside a container)."""

    kubelet: Mapping[str, Any] = field(default_factory=lambda: EMPTY)  # KubeletConfiguration fields, under the user's
    kube_proxy: Mapping[str, Any] = field(default_factory=lambda: EMPTY)  # KubeProxyConfiguration fields
    # `restrict_oom_score_adj`, `tolerate_missing_hugetlb_controller`: true
    containerd: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    ignore_preflight: tuple[str, ...] = ()  # kubeadm checks that cannot hold there
    baked: bool = False  # packages, binaries and images are already in the machine's image


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a provider says of a machine that exists."""

    name: str  # the node's name
    id: str  # the provider's own id
    address: str  # where SSH answers
    port: int = 22
    user: str = "root"
    private_address: str = ""  # address on `network`; peers on the same network use it
    network: str = ""  # id of the provider's network; equal ids reach each other's private addresses
    host_key: str = ""  # the one-time public host key from user-data (`ssh-ed25519 AAAA…`); "" = must be recorded already
    running: bool = True
    profile: Profile = field(default_factory=Profile)
    sans: tuple[str, ...] = ()  # further addresses or names under which the API may be reached on this machine
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)  # topology labels
    jump: Machine | None = None  # the machine through which this one is reached, where it has no public address
    existing: bool = False  # a host that was there before sloth and stays: what sloth installed is removed on the way out


@dataclass(frozen=True, kw_only=True)
class Node:
    """A lease together with its machine: what phases and distributions work on."""

    lease: Lease
    machine: Machine
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    taints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The node's name."""
        return self.lease.name

    @property
    def role(self) -> Role:
        """`control-plane` or `worker`."""
        return self.lease.role

    @property
    def mesh_address(self) -> str:
        """Address inside the WireGuard mesh; Kubernetes uses this one only."""
        return self.lease.mesh_address

    @property
    def is_control_plane(self) -> bool:
        """Whether this node runs the control plane."""
        return self.lease.role == "control-plane"


@dataclass(frozen=True, kw_only=True)
class Login:
    """How to reach a host over SSH. Unknown host keys are refused, always."""

    node: str
    address: str
    port: int = 22
    user: str = "root"
    host_keys: tuple[str, ...] = ()  # accepted public keys, `type base64`; empty = refuse
    key: Secret | None = None  # private key in OpenSSH format; None = agent or key_file
    key_file: str = ""
    bastion: Login | None = None
    sudo: bool = False  # true when `user` is not root
    patience: float = 0.0  # seconds to go on trying a host that does not answer; 0 = as long as a machine may take to boot
