"""What sloth asks an OpenStack cloud: what is there of a cluster, and what the project can have.

Only ports can be listed. Every other function finds the one thing that fits and fails otherwise: by tag, or by sloth's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from pulumi_openstack import blockstorage, compute, identity, images, loadbalancer, networking

from sloth.api import CLUSTER_TAG, Catalogue, ClusterSpec, Found, Machine, Quota, Size, Wanted

# The plugin's ways to say "none". A cloud that lacks a service ("No suitable endpoint could be found") has none of it either.
NONE = re.compile(r"no results|could not find any|no [\w ]+ found|not found|\b404\b", re.IGNORECASE)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNSETTLED = "Invalid power_state"  # what `getInstanceV2` says of a server that is being made


def survey(spec: ClusterSpec, user: str) -> list[Found]:
    """Servers by their ports' tag, the rest by tag or name."""
    tag = [f"{CLUSTER_TAG}:{spec.name}"]
    seen = [networking.get_port(port_id=id_) for id_ in networking.get_port_ids(tags=tag).ids]
    ports = {port.name.removeprefix(f"{spec.name}-").removesuffix("-port"): port for port in seen}
    mine = [pool for pool in spec.pools if pool.provider == "openstack"]
    nodes = sorted({*ports, *(f"{pool.name}-{ordinal}" for pool in mine for ordinal in range(1, pool.count + 1))})
    # By description, since a node's name may be too long for a tag. One address may be the load balancer's.
    asked = {node: _one(networking.get_floating_ip, description=f"{spec.name}-{node}-address", tags=tag) for node in nodes}
    addresses = {node: item for node, item in asked.items() if item}
    return [
        *_servers(spec, user, ports, {node: item.address for node, item in addresses.items()}),
        *(
            _found("address", item, item.description, "networking/floatingIp:FloatingIp", node)
            for node, item in addresses.items()
        ),
        *_volumes(spec, nodes),
        *_shared(spec, tag),
    ]


def _servers(spec: ClusterSpec, user: str, ports: dict[str, Any], public: dict[str, str]) -> Iterator[Found]:
    """Those with a public address first: the others are reached through one of them."""
    jump: Machine | None = None
    for node, port in sorted(ports.items(), key=lambda item: (item[0] not in public, item[0])):
        yield _found("address", port, port.name, "networking/port:Port", node, billable=False)
        state, zone = _state(port.device_id) if port.device_id else ("", "")
        if state:
            private, place = next(iter(port.all_fixed_ips), ""), "topology.kubernetes.io"
            labels = {f"{place}/region": port.region, f"{place}/zone": zone, "sloth.dev/provider": "openstack"}
            machine = Machine(
                name=node, id=port.device_id, address=public.get(node) or private, user=user, private_address=private,
                network=f"openstack/{port.network_id}", running=state == "active", labels=labels,
                jump=None if node in public else jump,
            )  # fmt: skip
            jump = jump or (machine if node in public else None)
            token = "openstack:compute/instance:Instance"  # noqa: S105 - the engine's name of a type
            name = f"{spec.name}-{node}"
            yield Found(kind="server", id=port.device_id, name=name, node=node, token=token, machine=machine)


def _state(id_: str) -> tuple[str, str]:
    """Power state and zone of a server; empty if it is gone."""
    try:
        found = _one(compute.get_instance_v2, id=id_)
    except Exception as error:
        if UNSETTLED not in str(error):
            raise
        return "unsettled", ""
    return (found.power_state, found.availability_zone) if found else ("", "")


def _volumes(spec: ClusterSpec, nodes: list[str]) -> Iterator[Found]:
    """Of nodes that exist and of those that the spec wants: a server may be gone and its volume not."""
    for pool in spec.pools:
        own = [node for node in nodes if node.rpartition("-")[0] == pool.name and pool.provider == "openstack"]
        for node, volume in ((node, volume) for node in own for volume in pool.options.get("volumes", ())):
            name = f"{spec.name}-{node}-{volume['name']}"
            if item := _one(blockstorage.get_volume_v3, name=name):
                yield _found("volume", item, name, "blockstorage/volume:Volume", node)


def _shared(spec: ClusterSpec, tag: list[str]) -> Iterator[Found]:
    api, key, control = (f"{spec.name}-{part}" for part in ("balancer", "ssh-key", "placement"))
    if item := _one(networking.get_floating_ip, description=f"{api}-address", tags=tag):
        yield _found("address", item, item.description, "networking/floatingIp:FloatingIp")
    if item := _one(loadbalancer.get_loadbalancer_v2, name=api, tags=tag):
        yield _found("load balancer", item, api, "loadbalancer/loadBalancer:LoadBalancer")
        # It cannot be deleted while it has these; what belongs to a pool goes with it.
        for part, token, items in (("listener", "listener:Listener", item.listeners), ("pool", "pool:Pool", item.pools)):
            for each in items:
                yield _found("load balancer", each, f"{api}-{part}", f"loadbalancer/{token}", billable=False)
    if router := _one(networking.get_router, tags=tag):
        yield _found("router", router, router.name, "networking/router:Router")
        for id_ in networking.get_port_ids(device_id=router.id, device_owner="network:router_interface").ids:
            kind = "openstack:networking/routerInterface:RouterInterface"
            yield Found(kind="gateway", id=id_, name=f"{router.name}-interface", token=kind, billable=False)
    free: list[tuple[Any, str, Callable[..., Any], dict[str, Any]]] = [
        ("subnet", "networking/subnet:Subnet", networking.get_subnet, {"tags": tag}),
        ("network", "networking/network:Network", networking.get_network, {"tags": tag}),
        ("firewall", "networking/secGroup:SecGroup", networking.get_sec_group, {"tags": tag}),
        ("ssh key", "compute/keypair:Keypair", compute.get_keypair, {"name": key}),
        ("placement group", "compute/serverGroup:ServerGroup", compute.get_servergroup_v2, {"name": control}),
    ]
    for kind, token, function, criteria in free:
        if item := _one(function, **criteria):
            yield _found(kind, item, item.name, token, billable=False)


def _found(kind: Any, item: Any, name: str, token: str, node: str = "", *, billable: bool = True) -> Found:
    return Found(kind=kind, id=item.id, name=name, node=node, token=f"openstack:{token}", billable=billable)


def catalogue(wanted: Wanted, outside: str | None) -> Catalogue:
    """Zones, flavors, images and limits of the project; OpenStack tells no prices. The external network must be there."""
    networking.get_network(external=True, name=outside)
    flavors = {name: item for name in wanted.sizes if (item := _one(compute.get_flavor, name=name)) and item.name == name}
    found = {name: _image(name) for name in wanted.images}
    return Catalogue(
        locations=frozenset(compute.get_availability_zones().names),
        sizes={name: Size(name=name, cpus=item.vcpus, memory=item.ram) for name, item in flavors.items()},
        images={name: id_ for name, id_ in found.items() if id_},
        quotas=_quotas(),
    )


def _image(name: str) -> str:
    """Id of the newest image of that name, or of one that differs only in case and in what is between the words."""
    if UUID.fullmatch(name):
        return name
    alike = "(?i)^" + "[ _.-]*".join(re.escape(word) for word in name.split("-")) + "$"
    item = _one(images.get_image, name=name, most_recent=True) or _one(images.get_image, name_regex=alike, most_recent=True)
    return str(item.id) if item else ""


def _quotas() -> tuple[Quota, ...]:
    project = identity.get_auth_scope(name="sloth").project_id
    known = compute.get_limits_v2(project_id=project)
    all_ = (
        Quota(what="servers", limit=known.max_total_instances, used=known.total_instances_used),
        Quota(what="vCPUs", limit=known.max_total_cores, used=known.total_cores_used),
        Quota(what="memory (MiB)", limit=known.max_total_ram_size, used=known.total_ram_used),
    )
    return tuple(quota for quota in all_ if quota.limit >= 0)  # -1: no limit


def _one(function: Callable[..., Any], **criteria: Any) -> Any:
    """The one thing that fits, or None. That there are two, and every other trouble, stays a failure."""
    try:
        return function(**criteria)
    except Exception as error:
        if NONE.search(str(error)):
            return None
        raise
