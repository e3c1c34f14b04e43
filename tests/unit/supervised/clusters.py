"""Clusters to ask the two flavours about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.model.artifact import Artifact, Delivery
from sloth.model.cluster import Cluster
from sloth.model.node import Node, Profile
from sloth.model.secret import Secret
from sloth.model.step import Do, Put, Script, Step
from sloth.registry import distribution
from sloth.supervised.distribution import Supervised
from tests.unit.distributions.kubeadm import clusters

K3S = distribution("k3s")
RKE2 = distribution("rke2")
BOTH = [K3S, RKE2]
NAMES = [each.name for each in BOTH]
CONTAINER = clusters.CONTAINER
INFO = JoinInfo(
    token=Secret("agent-password-0123456789"), ca_hash="ca" * 32, certificate_key=Secret("server-password-0123456789")
)


def artifacts(plugin: Distribution, version: str) -> tuple[Artifact, ...]:
    """Every need of the version as if pinned."""
    return tuple(
        Artifact(
            name=need.name,
            version=need.version,
            kind=need.kind,
            sha256="ab" * 32,
            size=1000,
            file=f"{need.name}/{need.version}/linux-amd64/{need.path.rpartition('/')[2]}",
            path=need.path,
            roles=need.roles,
        )
        for need in plugin.needs(version)
    )


def cluster(
    plugin: Distribution,
    servers: int = 1,
    workers: int = 0,
    profile: Profile | None = None,
    spec: Mapping[str, Any] | None = None,
    version: str = "",
    **fields: Any,
) -> Cluster:
    exact = version or plugin.versions()[0]
    base = clusters.cluster(servers, workers, profile, spec)
    delivery = Delivery(artifacts=artifacts(plugin, exact), base="http://192.0.2.200:8080")
    return replace(base, version=exact, delivery=delivery, **fields)


def flavour_of(plugin: Distribution) -> Any:
    assert isinstance(plugin, Supervised)
    return plugin.flavour


def files(plugin: Distribution, of: Cluster, node: Node | None = None) -> dict[str, str]:
    steps = plugin.prepare(node or of.nodes[0], of)
    return {step.path: str(step.content) for step in steps if isinstance(step, Put)}


def prepared(plugin: Distribution, node: Node, of: Cluster) -> Script[None]:
    yield list(plugin.prepare(node, of))


def commands(steps: list[Step]) -> str:
    return "\n".join(step.run for step in steps if isinstance(step, Do))
