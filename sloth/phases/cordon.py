"""Phases: no new pods for some nodes, pods again, and empty nodes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from sloth.contracts.distribution import Distribution
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Script
from sloth.nodes.api import wait_api
from sloth.nodes.cordon import cordon, uncordon
from sloth.nodes.drain import drain_seen
from sloth.phases.server import kubectl_of, members, server_of


@dataclass(frozen=True)
class Cordon:
    """One round trip for all nodes."""

    distribution: Distribution
    names: tuple[str, ...]
    title: str = "Cordon"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Cordon those that are not. Raises UsageError, KubernetesError."""
        return (yield from _on_server(cluster, self.title, self._steps(cluster), self.names))

    def _steps(self, cluster: Cluster) -> Script[None]:
        kubectl = kubectl_of(self.distribution)
        yield [wait_api(kubectl), *(cordon(name, kubectl) for name in members(cluster, self.names))]


@dataclass(frozen=True)
class Uncordon:
    """One round trip for all nodes."""

    distribution: Distribution
    names: tuple[str, ...]
    title: str = "Uncordon"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Uncordon those that are cordoned, whoever did that. Raises UsageError, KubernetesError."""
        return (yield from _on_server(cluster, self.title, self._steps(cluster), self.names))

    def _steps(self, cluster: Cluster) -> Script[None]:
        kubectl = kubectl_of(self.distribution)
        yield [wait_api(kubectl), *(uncordon(name, kubectl) for name in members(cluster, self.names))]


@dataclass(frozen=True)
class Drain:
    """One node after the other: what leaves one may well go to the next."""

    distribution: Distribution
    names: tuple[str, ...]
    seconds: float = 0.0  # for each node; 0 = as its pool says
    force: Collection[str] = field(default_factory=tuple)  # budgets, `NAMESPACE/NAME`
    title: str = "Drain"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Cordon and empty them. Raises KubernetesError that names the budgets in the way."""
        kubectl = kubectl_of(self.distribution)
        for name in members(cluster, self.names):
            server = server_of(cluster, avoid=(name,))
            script = drain_seen(name, cluster, kubectl, seconds=self.seconds, force=self.force)
            yield Each(title=f"drain {name}", scripts={server.name: script})
            cluster = replace(cluster, changed=cluster.changed | {name})
        return cluster


def _on_server(cluster: Cluster, title: str, script: Script[None], names: Collection[str]) -> PhaseRun:
    members(cluster, names)
    yield Each(title=title, scripts={server_of(cluster).name: script})
    return replace(cluster, changed=cluster.changed | frozenset(names))
