"""What sloth remembers of a cluster. Saved encrypted; `sloth.adapters.state_file` reads and writes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    # an existing host's `address`, `port`, `user`, `hostKey` as the spec had them; empty for machines that were made
    host: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
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
    ssh_next: Secret | None = None  # the key that is to replace it, while nodes learn it
    ssh_next_public: str = ""
    ssh_old_public: str = ""  # the key that was replaced, until every node has shut it out
    mesh_seed: Secret | None = None  # preshared keys are derived from it, per pair
    engine_key: Secret | None = None  # what secrets in the engine's state are sealed with (clouds)
    kubernetes_version: str = ""  # moved by an upgrade when every node has the new one
    # the upgrade under way: `to`, `from`, `failing` and `workloads` (how many there were at its start); empty = none
    upgrade: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    kubeconfig: Secret | None = None
    encryption: Secret | None = None  # keys of Kubernetes Secrets at rest: sloth.model.encryption
    authorities: Secret | None = None  # the rotation of certificate authorities under way: sloth.model.authorities
    join_tokens: Secret | None = None  # the rotation of join tokens under way: sloth.model.join_tokens
    # backups: keys, last proofs, the restore under way (sloth.backup.memory)
    backup: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
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

    @property
    def founded(self) -> bool:
        """Whether some node is (or was) a member: from then on the cluster's version is a fact, not a wish."""
        return any(node.joined for node in self.nodes.values())

    def placements(self, provider: str) -> Mapping[str, Mapping[str, Any]]:
        """Where the nodes of a provider are, as chosen before they were made: node -> size, location, image."""
        found: Mapping[str, Mapping[str, Any]] = self.providers.get(provider, EMPTY).get("placements", EMPTY)
        return found

    def with_placements(self, provider: str, placements: Mapping[str, Mapping[str, Any]]) -> Record:
        """A copy with placements of some nodes added or replaced."""
        both = {**self.placements(provider), **{name: dict(placement) for name, placement in placements.items()}}
        return replace(self, providers={**self.providers, provider: {**self.providers.get(provider, {}), "placements": both}})

    def without_placements(self, names: Collection[str]) -> Record:
        """A copy that has forgotten where these nodes are."""
        kept = {
            provider: {**memory, "placements": {key: value for key, value in memory["placements"].items() if key not in names}}
            if "placements" in memory
            else memory
            for provider, memory in self.providers.items()
        }
        return replace(self, providers=kept)

    def without_node(self, name: str) -> Record:
        """A copy that has forgotten one node, lease and placement included."""
        return replace(
            self.without_placements((name,)),
            nodes={key: value for key, value in self.nodes.items() if key != name},
            leases=tuple(lease for lease in self.leases if lease.name != name),
        )
