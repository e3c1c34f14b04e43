"""What sloth asks Azure: what is there of a cluster, and what the subscription can have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from pulumi_azure import compute, core, network

from sloth.api import CLUSTER_TAG, NODE_TAG, Catalogue, Cloud, ClusterSpec, Found, Machine, Size, Wanted, answers, one, reached

from . import zone_of
from .program import ZONE_TAG

_KINDS: dict[str, tuple[Any, str]] = {  # type of resource -> kind, type token
    "microsoft.compute/virtualmachines": ("server", "compute/linuxVirtualMachine:LinuxVirtualMachine"),
    "microsoft.compute/disks": ("volume", "compute/managedDisk:ManagedDisk"),
    "microsoft.compute/availabilitysets": ("placement group", "compute/availabilitySet:AvailabilitySet"),
    "microsoft.network/virtualnetworks": ("network", "network/virtualNetwork:VirtualNetwork"),
    "microsoft.network/networksecuritygroups": ("firewall", "network/networkSecurityGroup:NetworkSecurityGroup"),
    "microsoft.network/networkinterfaces": ("interface", "network/networkInterface:NetworkInterface"),
    "microsoft.network/publicipaddresses": ("address", "network/publicIp:PublicIp"),
    "microsoft.network/natgateways": ("gateway", "network/natGateway:NatGateway"),
    "microsoft.network/loadbalancers": ("load balancer", "lb/loadBalancer:LoadBalancer"),
}
_GROUP = "azure:core/resourceGroup:ResourceGroup"
_SUBNET = "azure:network/subnet:Subnet"
_IMAGES = {  # name -> publisher, offer, SKU
    "debian-12": "Debian:debian-12:12-gen2",
    "debian-13": "Debian:debian-13:13-gen2",
    "ubuntu-24.04": "Canonical:ubuntu-24_04-lts:server",
    "ubuntu-22.04": "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2",
}
_ABSENT = "NotFound|not found"


def survey(cloud: Cloud, spec: ClusterSpec) -> list[Found]:
    """All that is in the cluster's resource group, if the group carries the cluster's tag."""
    name = f"{spec.name}-group"
    group = one(_ABSENT, core.get_resource_group, name=name)
    if group is None or (group.tags or {}).get(CLUSTER_TAG) != spec.name:
        return []
    # Without a filter for tags: system disks carry none, and what Kubernetes made in the group is the cluster's as well.
    items = [item for item in core.get_resources(resource_group_name=name).resources if item.type.lower() in _KINDS]
    servers = _of("server", items)
    asked = {item.id: partial(compute.get_virtual_machine, name=item.name, resource_group_name=name) for item in servers}
    states = answers(asked, _ABSENT)
    machines = reached({item.id: _machine(cloud, item, states[item.id]) for item in servers if item.id in states})
    own = Found(kind="group", id=group.id, name=name, token=_GROUP)
    return [own, *_subnets(name, items), *(_found(item, machines.get(item.id)) for item in items)]


def _of(kind: str, items: Sequence[Any]) -> list[Any]:
    return [item for item in items if _KINDS[item.type.lower()][0] == kind]


def _subnets(group: str, items: Sequence[Any]) -> list[Found]:
    """Parts of networks are not in the list of resources."""
    nets = {
        item.id: partial(network.get_virtual_network, name=item.name, resource_group_name=group) for item in _of("network", items)
    }
    return [
        Found(kind="subnet", id=f"{net.id}/subnets/{subnet}", name=subnet, token=_SUBNET)
        for net in answers(nets, _ABSENT).values()
        for subnet in net.subnets
    ]


def catalogue(cloud: Cloud, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
    """Regions and their zones, and images. These functions tell no prices and quotas; sizes are taken at their word."""
    regions = sorted({cloud.region(place) for place in wanted.locations})
    told = answers({region: partial(core.get_location, location=region) for region in regions}, _ABSENT)
    known = {region: [row.logical_zone for row in item.zone_mappings or ()] for region, item in told.items()}
    places = {*known, *(f"{region}-{zone}" for region, zones in known.items() for zone in zones)}
    names = sorted({*_IMAGES, *wanted.images}) if known else []
    images = answers({name: _question(_IMAGES.get(name, name), next(iter(known))) for name in names}, _ABSENT)
    return Catalogue(
        locations=frozenset(places) or frozenset({"none"}),
        sizes={name: _size(name) for name in wanted.sizes},
        images={name: _urn(item) for name, item in images.items()},
    )


def _machine(cloud: Cloud, item: Any, state: Any) -> Machine:
    tags = item.tags or {}
    place = tags.get(ZONE_TAG, item.location)
    return cloud.machine(
        tags.get(NODE_TAG, item.name),
        item.id,
        address=state.public_ip_address,
        private=state.private_ip_address,
        network=item.resource_group_name,
        running=state.power_state in ("running", "starting"),
        region=cloud.region(place),
        zone=place if zone_of(place) else "0",  # as Azure's own controller says it
    )


def _found(item: Any, machine: Machine | None) -> Found:
    kind, token = _KINDS[item.type.lower()]
    node = (item.tags or {}).get(NODE_TAG, "")
    return Found(kind=kind, id=item.id, name=item.name, node=node, token=f"azure:{token}", machine=machine)


def _size(name: str) -> Size:
    """What Azure's naming convention tells: `Standard_D2ps_v5` has 2 processors, and `p` means Arm."""
    found = re.match(r"[A-Za-z]+_[A-Z]+(?:\d+-)?(\d+)([a-z]*)", name)
    cpus, features = (int(found[1]), found[2]) if found else (0, "")
    return Size(name=name, cpus=cpus, architecture="arm64" if "p" in features else "amd64")


def _question(image: str, region: str) -> Any:
    """Asks for an image, `PUBLISHER:OFFER:SKU` with or without a version."""
    publisher, offer, sku, version, *_ = [*image.split(":"), "", "", "", ""]
    return partial(
        compute.get_platform_image, location=region, publisher=publisher, offer=offer, sku=sku, version=version or None
    )  # fmt: skip


def _urn(item: Any) -> str:
    return f"{item.publisher}:{item.offer}:{item.sku}:{item.version}"
