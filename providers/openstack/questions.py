"""What sloth asks an OpenStack cloud: what is there of a cluster, and what the project can have.

Only ports can be listed. Every other function finds the one thing that fits and fails otherwise: by tag, or by sloth's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pulumi_openstack import blockstorage, compute, identity, images, loadbalancer, networking

from sloth.api import CLUSTER_TAG, Catalogue, Cloud, ClusterSpec, Found, Machine, Quota, Size, Wanted, one, reached

# The plugin's ways to say "none". A cloud that lacks a service ("No suitable endpoint could be found") has none of it either.
NONE = r"no results|could not find any|no [\w ]+ found|not found|\b404\b"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ADDRESS = "networking/floatingIp:FloatingIp"
UNSETTLED = "Invalid power_state"  # what `getInstanceV2` says of a server that is being made


def survey(cloud: Cloud, spec: ClusterSpec) -> list[Found]:
    """Servers by their ports' tag, the rest by tag or name."""
    tag = [f"{CLUSTER_TAG}:{spec.name}"]
    seen = [networking.get_port(port_id=id_) for id_ in networking.get_port_ids(tags=tag).ids]
    ports = {port.name.removeprefix(f"{spec.name}-").removesuffix("-port"): port for port in seen}
    wanted = (f"{pool.name}-{ordinal}" for pool in cloud.pools(spec) for ordinal in range(1, pool.count + 1))
    nodes = sorted({*ports, *wanted})
    # By description, since a node's name may be too long for a tag. One address may be the load balancer's.
    asked = {node: one(NONE, networking.get_floating_ip, description=f"{spec.name}-{node}-address", tags=tag) for node in nodes}
    addresses = {node: item for node, item in asked.items() if item}
    return [
        *_servers(cloud, spec, ports, {node: item.address for node, item in addresses.items()}),
        *(_found("address", each, each.description, ADDRESS, node) for node, each in addresses.items()),
        *_volumes(cloud, spec, nodes),
        *_shared(spec, tag),
    ]


def _servers(cloud: Cloud, spec: ClusterSpec, ports: dict[str, Any], public: dict[str, str]) -> Iterator[Found]:
    states = {node: _state(port.device_id) if port.device_id else ("", "") for node, port in ports.items()}
    there = {node: port for node, port in ports.items() if states[node][0]}
    machines = reached({node: _machine(cloud, node, port, public.get(node, ""), states[node]) for node, port in there.items()})
    token = "openstack:compute/instance:Instance"  # noqa: S105 - the engine's name of a type
    for node, port in sorted(ports.items()):
        yield _found("interface", port, port.name, "networking/port:Port", node)
        if machine := machines.get(node):
            yield Found(kind="server", id=machine.id, name=f"{spec.name}-{node}", node=node, token=token, machine=machine)


def _machine(cloud: Cloud, node: str, port: Any, address: str, state: tuple[str, str]) -> Machine:
    private, running, where = next(iter(port.all_fixed_ips), ""), state[0] == "active", {"region": port.region, "zone": state[1]}
    return cloud.machine(
        node, port.device_id, address=address, private=private, network=port.network_id, running=running, **where
    )


def _state(id_: str) -> tuple[str, str]:
    """Power state and zone of a server; empty if it is gone."""
    try:
        found = one(NONE, compute.get_instance_v2, id=id_)
    except Exception as error:
        if UNSETTLED not in str(error):
            raise
        return "unsettled", ""
    return (found.power_state, found.availability_zone) if found else ("", "")


def _volumes(cloud: Cloud, spec: ClusterSpec, nodes: list[str]) -> Iterator[Found]:
    for _, node, disk in cloud.disks(spec, nodes):
        if item := one(NONE, blockstorage.get_volume_v3, name=f"{spec.name}-{disk}"):
            yield _found("volume", item, f"{spec.name}-{disk}", "blockstorage/volume:Volume", node)


def _shared(spec: ClusterSpec, tag: list[str]) -> Iterator[Found]:
    api, key, control = (f"{spec.name}-{part}" for part in ("balancer", "ssh-key", "placement"))
    if item := one(NONE, networking.get_floating_ip, description=f"{api}-address", tags=tag):
        yield _found("address", item, item.description, ADDRESS)
    if item := one(NONE, loadbalancer.get_loadbalancer_v2, name=api, tags=tag):
        yield _found("load balancer", item, api, "loadbalancer/loadBalancer:LoadBalancer")
        # It cannot be deleted while it has these; what belongs to a pool goes with it.
        for part, token, items in (("listener", "listener:Listener", item.listeners), ("pool", "pool:Pool", item.pools)):
            for each in items:
                yield _found("load balancer", each, f"{api}-{part}", f"loadbalancer/{token}", costs=False)
        for each in item.pools:
            yield from _members(api, one(NONE, loadbalancer.get_pool_v2, pool_id=each.id))
    if router := one(NONE, networking.get_router, tags=tag):
        yield _found("router", router, router.name, "networking/router:Router")
        for id_ in networking.get_port_ids(device_id=router.id, device_owner="network:router_interface").ids:
            kind = "openstack:networking/routerInterface:RouterInterface"
            yield Found(kind="gateway", id=id_, name=f"{router.name}-interface", token=kind, costs=False)
    free: list[tuple[Any, str, Callable[..., Any], dict[str, Any]]] = [
        ("subnet", "networking/subnet:Subnet", networking.get_subnet, {"tags": tag}),
        ("network", "networking/network:Network", networking.get_network, {"tags": tag}),
        ("firewall", "networking/secGroup:SecGroup", networking.get_sec_group, {"tags": tag}),
        ("ssh key", "compute/keypair:Keypair", compute.get_keypair, {"name": key}),
        ("placement group", "compute/serverGroup:ServerGroup", compute.get_servergroup_v2, {"name": control}),
    ]
    for kind, token, function, criteria in free:
        if item := one(NONE, function, **criteria):
            yield _found(kind, item, item.name, token)


def _members(api: str, pool: Any) -> Iterator[Found]:
    """What a pool watches, and how."""
    parts = [("member", f"{pool.id}/{member.id}", member.name) for member in pool.members] if pool else []
    parts += [("monitor", pool.healthmonitor_id, f"{api}-monitor")] if pool and pool.healthmonitor_id else []
    for part, id_, name in parts:
        token = f"openstack:loadbalancer/{part}:{part.title()}"
        yield Found(kind="load balancer", id=id_, name=name, token=token, costs=False)


def _found(kind: Any, item: Any, name: str, token: str, node: str = "", *, costs: bool | None = None) -> Found:
    return Found(kind=kind, id=item.id, name=name, node=node, token=f"openstack:{token}", costs=costs)


def catalogue(cloud: Cloud, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
    """Zones, flavors, images and limits of the project; OpenStack tells no prices. The external network must be there."""
    networking.get_network(external=True, name=cloud.options(spec).get("externalNetwork"))
    flavors = {name: item for name in wanted.sizes if (item := one(NONE, compute.get_flavor, name=name)) and item.name == name}
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
    ask = partial(one, NONE, images.get_image, most_recent=True)
    item = ask(name=name) or ask(name_regex=alike)
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
