"""Everything that phases and distributions may know of a cluster during a run: frozen, replaced phase by phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from sloth.model.artifact import Delivery
from sloth.model.facts import Facts
from sloth.model.node import Node
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec

EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The view of one cluster in one run. `record` follows every `Keep`."""

    spec: ClusterSpec
    record: Record
    plan: Plan
    nodes: tuple[Node, ...] = ()
    facts: Mapping[str, Facts] = field(default_factory=lambda: EMPTY)
    delivery: Delivery = field(default_factory=Delivery)
    version: str = ""  # exact Kubernetes version, `v1.36.3`
    fresh: frozenset[str] = frozenset()  # nodes whose machine was made or started in this run
    endpoint: str = ""  # `host:port` under which this machine reaches the API
    changed: frozenset[str] = frozenset()  # nodes on which this run changed something
    # While an upgrade is half done: what each further version needs, and the version of each node that has not `version`
    deliveries: Mapping[str, Delivery] = field(default_factory=lambda: EMPTY)
    versions: Mapping[str, str] = field(default_factory=lambda: EMPTY)

    def node(self, name: str) -> Node:
        """The node of that name. Raises KeyError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    @property
    def control_plane(self) -> tuple[Node, ...]:
        """All control-plane nodes, in plan order."""
        return tuple(node for node in self.nodes if node.is_control_plane)

    @property
    def workers(self) -> tuple[Node, ...]:
        """All workers, in plan order."""
        return tuple(node for node in self.nodes if not node.is_control_plane)

    def at(self, name: str) -> Cluster:
        """The cluster as that node's own work must see it: with the version that the node has, and what it needs for that."""
        version = self.versions.get(name, self.version)
        if version == self.version:
            return self
        return replace(self, version=version, delivery=self.deliveries.get(version, self.delivery))

    def fact(self, name: str) -> Facts:
        """What was seen on that node (empty if it was not asked)."""
        return self.facts.get(name) or Facts()
