"""Phase: one WireGuard mesh over all nodes, proven to carry full-size packets between them, before Kubernetes is touched."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sloth.mesh.host import MANAGED, READ_PEERS, all_peers, changed_peers, listed, read_key, setup
from sloth.mesh.wireguard import MeshView, files_digest, fitting_mtu, peer_files, settings
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Node
from sloth.model.phase import Each, Keep, Order, PhaseRun
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.step import Do, Script
from sloth.phases.mesh_check import check
from sloth.phases.stamp import digest, stamped

STAMP = "mesh"


@dataclass(frozen=True)
class Mesh:
    """Nodes whose mesh is as it should be are not touched; a new node means one small file for each other node.

    A fresh node costs three round trips (key, peers, check), another node that gets a peer three as well (what it has, the
    peer, check); no node more, however many there are.
    """

    title: str = "Mesh"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Keys where there are none, peers where they differ, then every pair that was not proven yet."""
        cluster = with_mtu(cluster)
        cluster, made = yield from self._set_up(cluster)
        view = view_of(cluster)
        stale = [node for node in cluster.nodes if node.name in made or not in_force(node, view, cluster.fact(node.name))]
        scripts = {node.name: _give_peers(node, view, cluster.fact(node.name)) for node in stale}
        grown: Mapping[str, bool] = yield Each(title="give peers", scripts=scripts)
        yield from check(cluster, view, frozenset(name for name, more in grown.items() if more))
        return replace(cluster, changed=cluster.changed | frozenset(scripts))

    def _set_up(self, cluster: Cluster) -> Generator[Order, Any, tuple[Cluster, frozenset[str]]]:
        """Tools, key, script and unit where the stamp says otherwise. The nodes themselves say what their keys are."""
        keys = {node.name: cluster.fact(node.name).get("mesh.public_key") for node in cluster.nodes}
        view, scripts = view_of(cluster), {}
        for node in cluster.nodes:
            steps = setup(settings(node, view))
            if not keys[node.name] or not cluster.fact(node.name).stamped(STAMP, digest(steps)):
                scripts[node.name] = _set_up(node.name, [*stamped(STAMP, steps, MANAGED), read_key(node.name)])
        keys |= yield Each(title="set up the mesh", scripts=scripts)
        if any(cluster.record.node(name).mesh_public_key != key for name, key in keys.items()):
            cluster = replace(cluster, record=(yield Keep(change=lambda record: _with_keys(record, keys))))
        return cluster, frozenset(scripts)


def view_of(cluster: Cluster) -> MeshView:
    """All that peer files depend on, as the record and the spec have it now."""
    mesh = cluster.spec.mesh
    keys = {node.name: cluster.record.node(node.name).mesh_public_key for node in cluster.nodes}
    return MeshView(
        nodes=cluster.nodes, keys=keys, seed=cluster.record.mesh_seed or Secret(""), port=mesh.port, mtu=mesh.mtu or 1420
    )


def with_mtu(cluster: Cluster) -> Cluster:
    """The cluster with `spec.mesh.mtu: auto` decided, for pods too: one size that fits through every node's link."""
    values = (cluster.fact(node.name).values for node in cluster.nodes)
    links = [int(value) for facts in values for key, value in facts.items() if key.startswith("link.") and value.isdigit()]
    mesh = replace(cluster.spec.mesh, mtu=fitting_mtu(cluster.spec.mesh.mtu, links))
    return replace(cluster, spec=replace(cluster.spec, mesh=mesh))


def _with_keys(record: Record, keys: Mapping[str, str]) -> Record:
    for name, key in keys.items():
        record = record.with_node(name, mesh_public_key=key)
    return record


def _set_up(name: str, steps: list[Any]) -> Script[str]:
    results = yield steps
    return str(results[-1].out).strip()  # type: ignore[index]  # a list was yielded


def in_force(node: Node, view: MeshView, fact: Facts) -> bool:
    """Whether the node's mesh is exactly what record and spec ask for."""
    if fact.get("mesh.applied") != "ok":
        return False
    return fact.get("mesh.files") == files_digest(settings(node, view), peer_files(node, view))


def _give_peers(node: Node, view: MeshView, fact: Facts) -> Script[bool]:
    """Bring the node's peers to what they should be. Returns whether one is new to it, so that the pair has to be tried."""
    if not fact.get("mesh.files"):
        yield all_peers(lambda: peer_files(node, view))
        return True
    result = yield READ_PEERS
    steps = changed_peers(peer_files(node, view), listed(result.out))  # type: ignore[union-attr]  # one step was yielded
    yield steps
    return not all(isinstance(step, Do) for step in steps)
