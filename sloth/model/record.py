"""What sloth remembers of a cluster. Saved encrypted; `sloth.adapters.state_file` reads and writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from sloth.model.node import Lease
from sloth.model.secret import Secret

SCHEMA = 1
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class NodeRecord:
    """What is remembered of one node, besides its lease."""

    host_keys: tuple[str, ...] = ()  # public keys that the host made itself; only these are accepted
    boot_key: Secret | None = None  # one-time private host key in the user-data, until host_keys are in force
    boot_public_key: str = ""
    mesh_public_key: str = ""
    joined: bool = False  # is (or was) a member of the Kubernetes cluster
    leaving: bool = False  # removal was begun and must be finished


@dataclass(frozen=True, kw_only=True)
class Record:
    """One cluster's memory. `revision` is raised by every save (compare-and-swap)."""

    cluster: str
    schema: int = SCHEMA
    revision: int = 0
    leases: tuple[Lease, ...] = ()
    nodes: Mapping[str, NodeRecord] = field(default_factory=lambda: EMPTY)
    ssh_key: Secret | None = None  # private key that sloth made for this cluster, OpenSSH format
    ssh_public_key: str = ""
    mesh_seed: Secret | None = None  # preshared keys are derived from it, per pair
    kubernetes_version: str = ""
    kubeconfig: Secret | None = None
    # what each provider wants to remember (JSON values)
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: EMPTY)
    # the spec file of the last `up`, as loaded, so that verbs work without the file
    document: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    runs: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)  # last ten: verb, start, end, outcome

    def node(self, name: str) -> NodeRecord:
        """What is remembered of that node (empty if nothing)."""
        return self.nodes.get(name) or NodeRecord()

    def with_node(self, name: str, **changes: Any) -> Record:
        """A copy with fields of one node changed."""
        return replace(self, nodes={**self.nodes, name: replace(self.node(name), **changes)})

    def without_node(self, name: str) -> Record:
        """A copy that has forgotten one node, lease included."""
        return replace(
            self,
            nodes={key: value for key, value in self.nodes.items() if key != name},
            leases=tuple(lease for lease in self.leases if lease.name != name),
        )
