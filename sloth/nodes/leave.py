"""Taking an empty node out of a running cluster: Kubernetes, then etcd; refused where quorum would be lost.

The same for every distribution that has an administrator's kubectl (`sloth.nodes.api`) and etcd members on control-plane nodes.
"""

from __future__ import annotations

from typing import cast

from sloth.errors import KubernetesError
from sloth.etcd.access import EtcdAccess, addresses
from sloth.etcd.members import Member, at
from sloth.etcd.quorum import refusal, take_out
from sloth.etcd.steps import ask_members, members_of, remove_member
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Do, Result, Retry, Script, Step
from sloth.nodes.api import PATIENT, addresses_of, ask_node, wait_api

# A control-plane node of K3s or RKE2 is gone when one of their controllers has taken its etcd member out (its finalizer is
# wrangler.cattle.io/managed-etcd-controller, k3s-io/k3s pkg/etcd/member_controller.go), which takes its time on a busy machine.
_SLOWLY = Retry(attempts=3, reason="a finalizer of the node may take a while")


def leave(server: Node, name: str, cluster: Cluster, *, kubectl: str, etcd: EtcdAccess | None) -> Script[None]:
    """On `server`: take node `name`, which was drained, out of Kubernetes and etcd. Each part that is done already is skipped.

    A member of a node that is gone, or that never came to life, is found by its address. Raises KubernetesError.
    """
    if name == server.name:
        raise KubernetesError(
            "node/evicts-itself", f"{name} cannot take itself out of the cluster", where=name, hint="sloth status"
        )
    own = addresses_of(name, cluster)
    there, members = yield from _look(server, name, cluster, kubectl, etcd)
    leaving = at(members, [etcd.peer(address) for address in own]) if etcd else None
    if leaving:
        verdict = take_out(members, [leaving])
        if not verdict.allowed:
            raise refusal(verdict, [name], members)
    last: list[Step] = []
    if there:
        delete = f"{kubectl} delete node {name} --ignore-not-found --timeout=50s {PATIENT}"
        last.append(Do(title=f"delete node {name}", run=delete, retry=_SLOWLY, hint="sloth status"))
    if leaving and etcd:  # after the node: its API server fails as soon as its etcd is out, and might be the one that is asked
        others = [address for address in addresses(cluster) if address not in own]
        last += [remove_member(etcd, leaving, others), wait_api(kubectl, 120.0)]
    if last:
        yield last


def _look(server: Node, name: str, cluster: Cluster, kubectl: str, etcd: EtcdAccess | None) -> Script[tuple[bool, list[Member]]]:
    """Whether Kubernetes knows the node, and etcd's members. One round trip."""
    known = addresses(cluster)
    if known.keys().isdisjoint(addresses_of(name, cluster)):  # a worker
        etcd = None
    asked = ask_members(etcd, server.mesh_address, known) if etcd else []
    _, *rest, node = cast(list[Result], (yield [wait_api(kubectl), *asked, ask_node(name, kubectl)]))
    return bool(node.out.strip()), members_of(rest, etcd, known) if etcd else []
