"""What sloth asks Linode: what is there of a cluster, and what the account can have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pulumi_linode as linode

from sloth.api import CLUSTER_TAG, NODE_TAG, Catalogue, Cloud, ClusterSpec, Found, Size, Wanted

from .program import fit, public, tag

_TOKENS = {
    "server": "linode:index/instance:Instance",
    "network": "linode:index/vpc:Vpc",
    "subnet": "linode:index/vpcSubnet:VpcSubnet",
    "firewall": "linode:index/firewall:Firewall",
    "placement group": "linode:index/placementGroup:PlacementGroup",
    "load balancer": "linode:index/nodeBalancer:NodeBalancer",
    "volume": "linode:index/volume:Volume",
}
# What a region must be able to do, and what it must for types of a class.
_NEEDED = frozenset({"Linodes", "VPCs", "Metadata", "Cloud Firewall"})
_OF_CLASS = {"gpu": "GPU Linodes", "premium": "Premium Plans", "accelerated": "NETINT Quadra T1U"}


def survey(cloud: Cloud, spec: ClusterSpec) -> list[Found]:
    """All kinds, one question each."""
    mark = tag(CLUSTER_TAG, spec.name)
    ours = [linode.GetInstancesFilterArgs(name="tags", values=[mark])]
    servers = linode.get_instances(filters=ours).instances
    ids = {item.id for item in servers}
    vpcs = linode.get_vpcs(filters=[linode.GetVpcsFilterArgs(name="label", values=[fit(f"{spec.name}-network", 64)])]).vpcs
    subnets = [(vpc, subnet) for vpc in vpcs for subnet in vpc.subnets]
    inside = {int(item.id) for _, subnet in subnets for item in subnet.nodebalancers or ()}
    group = [linode.GetPlacementGroupsFilterArgs(name="label", values=[fit(f"{spec.name}-placement")])]
    wall = [linode.GetFirewallsFilterArgs(name="tags", values=[mark])]
    names = _names(cloud, spec)
    balancers, volumes = linode.get_nodebalancers().nodebalancers, linode.get_volumes().volumes
    return [
        *(_server(cloud, item) for item in servers),
        # Those of Linode's cloud controller and storage driver carry no tag of ours, but they hang on our network and servers.
        *_all("load balancer", (item for item in balancers if mark in item.tags or item.id in inside), names),
        *_all("volume", (item for item in volumes if mark in item.tags or item.linode_id in ids), names),
        *_all("network", vpcs),
        *(_found("subnet", subnet, id=f"{vpc.id},{subnet.id}") for vpc, subnet in subnets),
        *_all("firewall", linode.get_firewalls(filters=wall).firewalls, names),
        *_all("placement group", linode.get_placement_groups(filters=group).placement_groups, names),
        *_ports(spec, balancers),
    ]


def _ports(spec: ClusterSpec, balancers: Iterable[Any]) -> Iterator[Found]:
    """The API's port of the cluster's own balancer, which carries nothing itself and goes with the balancer."""
    for item in (item for item in balancers if item.label == fit(f"{spec.name}-balancer")):
        for port in linode.get_nodebalancer_configs(nodebalancer_id=item.id).nodebalancer_configs:
            if port.port == 6443:
                kind, ident = "linode:index/nodeBalancerConfig:NodeBalancerConfig", f"{item.id},{port.id}"
                yield Found(kind="load balancer", id=ident, name=f"{spec.name}-balancer-api", token=kind, costs=False)


def _names(cloud: Cloud, spec: ClusterSpec) -> dict[str, str]:
    """Label -> the name that it stands for, of what the spec makes: labels of long names are cut."""
    parts = ["firewall", "balancer", "balancer-firewall", "placement", *(disk for _, _, disk in cloud.disks(spec))]
    return {fit(f"{spec.name}-{part}"): f"{spec.name}-{part}" for part in parts}


def _found(kind: Any, item: Any, **more: Any) -> Found:
    fields = {"id": str(item.id), "name": item.label, "node": _node(getattr(item, "tags", ())), **more}
    return Found(kind=kind, token=_TOKENS[kind], **fields)


def _all(kind: Any, items: Iterable[Any], names: Mapping[str, str] | None = None) -> Iterator[Found]:
    return (_found(kind, item, name=(names or {}).get(item.label, item.label)) for item in items)


def _node(tags: Iterable[str] | None) -> str:
    return next((text.removeprefix(f"{NODE_TAG}:") for text in tags or () if text.startswith(f"{NODE_TAG}:")), "")


def _server(cloud: Cloud, item: Any) -> Found:
    inside = [one for config in item.configs or () for one in config.interfaces or () if one.purpose == "vpc"]
    name = _node(item.tags)
    machine = cloud.machine(
        name,
        str(item.id),
        address=public(item.ipv4s),
        private=inside[0].ipv4.vpc if inside else "",
        network=int(inside[0].vpc_id) if inside else "",
        running=item.status in ("running", "provisioning", "booting", "rebooting"),
        region=item.region,
    )
    return _found("server", item, machine=machine if name else None)


def catalogue(cloud: Cloud, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
    """Regions with all that sloth needs; prices in US dollars, some regions have their own. Linode tells no limits."""
    regions = {item.id: {*item.capabilities} for item in linode.get_regions().regions if item.status == "ok"}
    fit_ones = {name: abilities for name, abilities in regions.items() if abilities >= _NEEDED}
    types = linode.get_instance_types().types
    return Catalogue(
        locations=frozenset(fit_ones),
        sizes={item.id: _size(item, fit_ones) for item in types},
        images=dict(_images(wanted.images)),
        currency="USD",
    )


def _size(item: Any, regions: dict[str, set[str]]) -> Size:
    """A type is thought to be had where the region knows its class; what is sold out is told by no function."""
    needed = _OF_CLASS.get(item.class_, "Linodes")
    places = [name for name, abilities in regions.items() if needed in abilities]
    usual, special = item.prices[0].monthly, {price.id: price.monthly for price in item.region_prices or ()}
    prices = {name: special.get(name, usual) for name in places}
    return Size(name=item.id, cpus=item.vcpus, memory=item.memory, locations=frozenset(places), prices=prices)


def _images(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Name -> id. `debian-12` is `linode/debian12`; an own image has its label or id. Without cloud-init no node comes up."""
    images = linode.get_images().images if names else []
    able = [item for item in images if item.status == "available" and "cloud-init" in (item.capabilities or ())]
    for name in names:
        public = f"linode/{name.replace('-', '', 1)}"
        fitting = [item.id for item in able if item.id in (name, public) or (not item.is_public and item.label == name)]
        yield from ((name, found) for found in fitting[:1])
