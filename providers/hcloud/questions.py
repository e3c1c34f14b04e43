"""What sloth asks Hetzner Cloud: what is there of a cluster, and what the project can have."""

from __future__ import annotations

from typing import Any

import pulumi_hcloud as hcloud

from sloth.api import CLUSTER_TAG, NODE_TAG, Catalogue, Cloud, ClusterSpec, Found, Machine, Size, Wanted, hardware, reached

from .program import LABELS

_CLUSTER, _NODE = LABELS[CLUSTER_TAG], LABELS[NODE_TAG]


def survey(cloud: Cloud, spec: ClusterSpec) -> list[Found]:
    """All kinds, one question each. What Kubernetes' controllers made carries no label of ours, but hangs on our servers."""
    ours = f"{_CLUSTER}={spec.name}"
    servers = hcloud.get_servers(with_selector=ours).servers
    ids = {int(server.id) for server in servers}
    balancers = [item for item in hcloud.get_load_balancers().load_balancers if _is_ours(item, spec.name) or _targets(item) & ids]
    volumes = [item for item in hcloud.get_volumes().volumes if _is_ours(item, spec.name) or item.server_id in ids]
    machines = reached({item.id: _machine(cloud, item) for item in servers})
    others: dict[Any, tuple[str, list[Any]]] = {
        "load balancer": ("loadBalancer:LoadBalancer", balancers),
        "volume": ("volume:Volume", volumes),
        "address": ("primaryIp:PrimaryIp", hcloud.get_primary_ips(with_selector=ours).primary_ips),
        "network": ("network:Network", hcloud.get_networks(with_selector=ours).networks),
        "firewall": ("firewall:Firewall", hcloud.get_firewalls(with_selector=ours).firewalls),
        "ssh key": ("sshKey:SshKey", hcloud.get_ssh_keys(with_selector=ours).ssh_keys),
        "placement group": ("placementGroup:PlacementGroup", hcloud.get_placement_groups(with_selector=ours).placement_groups),
    }
    return [
        *(_found("server", "server:Server", item, machines[item.id]) for item in servers),
        *(_found(kind, token, item) for kind, (token, items) in others.items() for item in items),
    ]


def _found(kind: Any, token: str, item: Any, machine: Machine | None = None) -> Found:
    return Found(
        kind=kind, id=str(item.id), name=item.name, node=(item.labels or {}).get(_NODE, ""), token=f"hcloud:index/{token}",
        machine=machine,
    )  # fmt: skip


def _is_ours(item: Any, cluster: str) -> bool:
    return bool((item.labels or {}).get(_CLUSTER) == cluster)


def _targets(balancer: Any) -> set[int]:
    return {int(target.server_id) for target in balancer.targets or () if target.server_id}


def _machine(cloud: Cloud, item: Any) -> Machine:
    place = next(iter(item.networks or ()), None)
    return cloud.machine(
        (item.labels or {}).get(_NODE, ""),
        str(item.id),
        address=item.ipv4_address,
        private=place.ip if place else "",
        network=int(place.network_id) if place else "",
        running=item.status in ("running", "initializing", "starting"),
        region=item.location,  # Hetzner does not tell its data centres apart any more: a location is both region and zone
    )


def catalogue(cloud: Cloud, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
    """All locations and server types; Hetzner's functions tell no prices and no limits."""
    sizes = {item.name: _size(item) for item in hcloud.get_server_types().server_types}
    # An image's name has one id per architecture.
    arms = {"arm" if sizes[name].architecture == "arm64" else "x86" for name in wanted.sizes if name in sizes} or {"x86"}
    images = hcloud.get_images(with_architectures=sorted(arms), with_statuses=["available"]).images
    return Catalogue(
        locations=frozenset(item.name for item in hcloud.get_locations().locations),
        sizes=sizes,
        # Where both architectures are wanted, the name itself stands, and Hetzner picks. Snapshots have no name.
        images={item.name or str(item.id): item.name if len(arms) > 1 and item.name else str(item.id) for item in images},
    )


def _size(item: Any) -> Size:
    places = frozenset(place.name for place in item.locations if place.available and not place.is_deprecated)
    # No locations at all would mean that the cloud does not tell: what is sold out everywhere has to be somewhere else.
    return Size(
        name=item.name, cpus=int(item.cores), memory=int(item.memory * 1024),
        architecture=hardware(item.architecture), locations=places or frozenset({"none"}),
    )  # fmt: skip
