"""What rules are given: everything that one look at a cluster brought back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from sloth.model.certificate import CertificateFile
from sloth.model.facts import Facts
from sloth.model.node import Lease

EMPTY: Mapping[str, Facts] = MappingProxyType({})

# Keys of facts that a look adds to those of the inspection. Raw answers: rules read them.
SILENT = "vitals.silent"  # why a node did not answer
NODES = "vitals.nodes"  # nodes as Kubernetes has them
PODS = "vitals.pods"  # system pods
MEMBERS = "vitals.members"  # `etcdctl member list -w json`
WORDS = "vitals.etcd_words"  # what the member on that node said last, where it does not answer
STATUS = "vitals.status"  # `etcdctl endpoint status --cluster -w json`


@dataclass(frozen=True, kw_only=True)
class View:
    """One look at one cluster."""

    leases: Sequence[Lease]  # every node that the record knows
    running: frozenset[str]  # those whose machine exists and runs
    version: str  # Kubernetes that the spec asks for, `v1.36.3`
    now: float  # Unix seconds on this machine
    facts: Mapping[str, Facts] = field(default_factory=lambda: EMPTY)
    certificates: Sequence[CertificateFile] = ()  # what the distribution keeps on nodes
    etcd: bool = False  # whether the distribution says how etcd is asked
    kubectl: bool = False  # whether it says how Kubernetes is asked
    # Nodes whose kubelet evicts nothing for a full disk: the disk is shared, and the share that is free says nothing of them.
    unevicting: frozenset[str] = frozenset()

    def fact(self, name: str) -> Facts:
        """What that node said (empty if nothing)."""
        return self.facts.get(name) or Facts()

    def answered(self, name: str) -> bool:
        """Whether the node answered at all."""
        return name in self.running and bool(self.fact(name).values) and not self.fact(name).get(SILENT)

    @property
    def names(self) -> tuple[str, ...]:
        """All nodes."""
        return tuple(lease.name for lease in self.leases)

    @property
    def servers(self) -> tuple[Lease, ...]:
        """Control-plane nodes."""
        return tuple(lease for lease in self.leases if lease.role == "control-plane")

    def spoken(self, key: str) -> list[tuple[str, str]]:
        """(node, what it said) of every control-plane node that had an answer under that key."""
        return [(lease.name, self.fact(lease.name).get(key)) for lease in self.servers if self.fact(lease.name).get(key)]
