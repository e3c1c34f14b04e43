"""Clusters to ask the plugin about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sloth.model.artifact import Artifact, Delivery
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Lease, Machine, Node, Profile
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec, KubernetesSpec, PoolSpec, Role
from sloth.registry import distribution

KUBEADM = distribution("kubeadm")
VERSION = "v1.36.3"
# What a container on a laptop needs: the facts of provider `local`.
CONTAINER = Profile(
    kubelet={"cgroupDriver": "cgroupfs", "failSwapOn": False, "failCgroupV1": False, "enforceNodeAllocatable": []},
    kube_proxy={"conntrack": {"maxPerCore": 0}},
    containerd={"restrict_oom_score_adj": True, "tolerate_missing_hugetlb_controller": True},
    ignore_preflight=("SystemVerification",),
    baked=True,
)


def node(pool: str, ordinal: int, role: Role, number: int, profile: Profile | None = None, **fields: Any) -> Node:
    name = f"{pool}-{ordinal}"
    lease = Lease(
        name=name,
        pool=pool,
        role=role,
        provider="ssh",
        mesh_address=f"10.90.0.{number}",
        pod_cidr=f"10.42.{number}.0/24",
        ordinal=ordinal,
    )
    machine = Machine(name=name, id=name, address=f"192.0.2.{number}", profile=profile or Profile())
    return Node(lease=lease, machine=machine, **fields)


def artifacts() -> tuple[Artifact, ...]:
    """Every need of the version as if pinned."""
    return tuple(
        Artifact(
            name=need.name,
            version=need.version,
            kind=need.kind,
            sha256="ab" * 32,
            size=1000,
            file=f"{need.name}/{need.version}/linux-amd64/{need.name}",
            path=need.path,
            ref=need.ref.replace("{version}", need.version).replace("{number}", need.version.removeprefix("v")),
            roles=need.roles,
        )
        for need in KUBEADM.needs(VERSION)
    )


def cluster(
    servers: int = 1, workers: int = 0, profile: Profile | None = None, spec: Mapping[str, Any] | None = None, **fields: Any
) -> Cluster:
    nodes = [node("control", i, "control-plane", i, profile) for i in range(1, servers + 1)]
    nodes += [node("work", i, "worker", 20 + i, profile) for i in range(1, workers + 1)]
    pools = (
        PoolSpec(name="control", role="control-plane", provider="ssh", count=servers),
        PoolSpec(name="work", role="worker", provider="ssh", count=workers, kubelet={"maxPods": 50}),
    )
    asked = ClusterSpec(**{"name": "shop", "pools": pools, **(spec or {})})
    base = Cluster(
        spec=asked,
        record=Record(cluster="shop", leases=tuple(each.lease for each in nodes)),
        plan=Plan(leases=tuple(each.lease for each in nodes)),
        nodes=tuple(nodes),
        delivery=Delivery(artifacts=artifacts(), base="http://192.0.2.200:8080"),
        version=VERSION,
    )
    return replace(base, **fields)


def facts(cluster: Cluster, *members: str) -> dict[str, Facts]:
    """As if the inspection had seen these nodes as members and the others as bare."""
    return {each.name: Facts(values={"kube.state": "joined" if each.name in members else "none"}) for each in cluster.nodes}


def kubernetes(**fields: Any) -> dict[str, Any]:
    return {"kubernetes": KubernetesSpec(**fields)}
