"""Phases: no new pods for some nodes, pods again, and empty nodes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sloth.contracts.distribution import Distribution
from sloth.errors import SlothError
from sloth.model.cluster import Cluster
from sloth.model.phase import Api, PhaseRun
from sloth.nodes.api import unknown
from sloth.phases.emptying import emptied
from sloth.phases.server import doors_to, members, server_of


@dataclass(frozen=True)
class Cordon:
    """Through the API: two requests for each node."""

    names: tuple[str, ...]
    title: str = "Cordon"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Cordon those that are not. Raises UsageError, KubernetesError."""
        return (yield from _marked(cluster, self.names, on=True))


@dataclass(frozen=True)
class Uncordon:
    """Through the API: two requests for each node."""

    names: tuple[str, ...]
    title: str = "Uncordon"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Uncordon those that are cordoned, whoever did that. Raises UsageError, KubernetesError."""
        return (yield from _marked(cluster, self.names, on=False))


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
        for name in members(cluster, self.names):
            server = server_of(cluster, avoid=(name,))
            lives = yield from emptied(
                self.distribution, server, name, cluster, ready=False, seconds=self.seconds, budgets=self.force
            )  # fmt: skip
            if lives is None:
                raise unknown(name)
            cluster = replace(cluster, changed=cluster.changed | {name})
        return cluster


def _marked(cluster: Cluster, names: Collection[str], *, on: bool) -> PhaseRun:
    servers = doors_to(cluster)
    for name in members(cluster, names):
        title = f"{'cordon' if on else 'uncordon'} {name}"
        yield Api(title=title, node=name, servers=servers, talk=partial(_mark, name, on))
    return replace(cluster, changed=cluster.changed | frozenset(names))


def _mark(name: str, on: bool, api: Any, _say: Callable[[str], None]) -> Generator[Any, Any, bool]:
    from sloth.kube.workloads.draining import cordon

    try:
        return (yield from cordon(api, name, on=on))
    except SlothError as error:
        if error.code != "kube/not-found":
            raise
        raise unknown(name) from error
