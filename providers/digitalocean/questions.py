"""What sloth asks DigitalOcean: what is there of a cluster, and what the account can have.

No function lists volumes, balancers or networks: volumes come from the Droplets that hold them and from the names in the spec,
balancers from the account's projects, the rest by name. What only the tag's counter knows of is reported as that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pulumi_digitalocean as do

from sloth.api import CLUSTER_TAG, NODE_TAG, Catalogue, Cloud, ClusterSpec, Found, Machine, Quota, Size, Wanted, one, reached

from .program import tag

# What the engine's plugin says where nothing has that name or id (terraform-provider-digitalocean, its data sources).
_NOTHING = r"\bno \w[\w ]* found with name|gateway by name: <nil>|\b404\b"
_TOKENS = {
    "server": "digitalocean:index/droplet:Droplet",
    "network": "digitalocean:index/vpc:Vpc",
    "ssh key": "digitalocean:index/sshKey:SshKey",
    "load balancer": "digitalocean:index/loadBalancer:LoadBalancer",
    "volume": "digitalocean:index/volume:Volume",
    "gateway": "digitalocean:index/vpcNatGateway:VpcNatGateway",
    "group": "digitalocean:index/tag:Tag",
}


def survey(cloud: Cloud, spec: ClusterSpec) -> list[Found]:
    """All kinds. Raises what the engine raises when a question fails."""
    mark = tag(CLUSTER_TAG, spec.name)
    droplets = do.get_droplets(filters=[do.GetDropletsFilterArgs(key="tags", values=[mark])]).droplets
    vpc = one(_NOTHING, do.get_vpc, name=f"{spec.name}-network")
    gateway = one(_NOTHING, do.get_vpc_nat_gateway, name=f"{spec.name}-gateway")
    keys = do.get_ssh_keys(filters=[do.GetSshKeysFilterArgs(key="name", values=[f"{spec.name}-ssh-key"])]).ssh_keys
    known = do.get_tags(filters=[do.GetTagsFilterArgs(key="name", values=[mark])]).tags
    return [
        *_servers(cloud, droplets),
        *_volumes(cloud, spec, sum(item.volumes_count for item in known), droplets),
        *(_found("load balancer", item) for item in _balancers(spec, vpc)),
        *([_found("gateway", gateway)] if gateway else []),
        *([_found("network", vpc)] if vpc else []),
        *(_found("ssh key", key) for key in keys),
        *(Found(kind="group", id=mark, name=f"{spec.name}-tag", token=_TOKENS["group"]) for _ in known),
    ]


def account() -> str:
    """Of the team that the token is of."""
    return str(do.get_account().uuid)


def _found(kind: Any, item: Any, **more: Any) -> Found:
    return Found(kind=kind, id=str(item.id), name=item.name, token=_TOKENS[kind], **more)


def _servers(cloud: Cloud, droplets: Any) -> Iterator[Found]:
    machines = reached({item.id: _machine(cloud, item) for item in droplets})
    for item in droplets:
        node = machines[item.id].name
        yield _found("server", item, node=node, machine=machines[item.id] if node else None)


def _node(item: Any) -> str:
    return next((text.removeprefix(f"{NODE_TAG}:") for text in item.tags or () if text.startswith(f"{NODE_TAG}:")), "")


def _machine(cloud: Cloud, item: Any) -> Machine:
    return cloud.machine(
        _node(item),
        str(item.id),
        address=item.ipv4_address,
        private=item.ipv4_address_private,
        network=item.vpc_uuid,
        running=item.status in ("active", "new"),
        region=item.region,
    )


def _volumes(cloud: Cloud, spec: ClusterSpec, tagged: int, droplets: Any) -> list[Found]:
    about = {
        (f"{spec.name}-{disk}", region): node
        for pool, node, disk in (cloud.disks(spec) if tagged else ())
        for region in cloud.choices(spec, pool, "location")
    }
    named = [
        _found("volume", item, node=node)
        for (name, region), node in about.items()
        if (item := one(_NOTHING, do.get_volume, name=name, region=region))
    ]
    known = {item.id for item in named}
    held = [(disk, item) for item in droplets for disk in item.volume_ids or () if disk not in known]
    attached = [
        Found(kind="volume", id=disk, name=f"{disk} of {item.name}", node=_node(item), token=_TOKENS["volume"])
        for disk, item in held
    ]
    rest = tagged - len(named) - len(attached)
    more = Found(kind="volume", id=f"{rest} more", name=f"{rest} more with the tag of {spec.name}")
    return [*named, *attached, *([more] if rest > 0 else [])]


def _balancers(spec: ClusterSpec, vpc: Any) -> Iterator[Any]:
    """Every balancer in the cluster's network is the cluster's, whoever made it: sloth, or a cloud controller inside."""
    texts = [text for project in do.get_projects().projects for text in project.resources or ()]
    for text in sorted(text for text in texts if text.startswith("do:loadbalancer:")):
        item = one(_NOTHING, do.get_load_balancer, id=text.rsplit(":", 1)[1])
        if item and (item.name == f"{spec.name}-balancer" or (vpc and item.vpc_uuid == vpc.id)):
            yield item


def catalogue(cloud: Cloud, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
    """Regions and sizes that can be had now; prices are in US dollars and the same in all regions."""
    account, sizes = do.get_account(), do.get_sizes().sizes
    return Catalogue(
        locations=frozenset(item.slug for item in do.get_regions().regions if item.available),
        sizes={item.slug: _size(item) for item in sizes if item.available},
        images=dict(_images(wanted.images)),
        currency="USD",
        quotas=(Quota(what="Droplets", limit=account.droplet_limit, used=len(do.get_droplets().droplets)),),
    )


def _size(item: Any) -> Size:
    prices = dict.fromkeys(item.regions, item.price_monthly)
    return Size(
        name=item.slug, cpus=item.vcpus, memory=item.memory, locations=frozenset(item.regions), prices=prices
    )  # fmt: skip


def _images(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Name -> id. `debian-12` is the slug `debian-12-x64`; an own image or snapshot has its name or id."""
    images = do.get_images().images if names else []
    for name in names:
        public = (item for item in images if item.slug in (name, f"{name}-x64"))
        own = (item for item in images if item.private and name in (item.name, str(item.id)))
        yield from ((name, str(item.id)) for item in [*public, *own][:1])
