"""What sloth asks Vultr: what is there of a cluster, and what the account can have.

Only `getInstances` lists. Every other function finds the one thing that fits and fails otherwise, so the rest is asked by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ediri_vultr as vultr

from sloth.api import CLUSTER_TAG, NODE_TAG, Catalogue, ClusterSpec, Found, Machine, Size, Wanted

# Image names of the spec -> names in Vultr's list of operating systems.
IMAGES = {
    "debian-12": "Debian 12 x64 (bookworm)",
    "debian-13": "Debian 13 x64 (trixie)",
    "ubuntu-22.04": "Ubuntu 22.04 LTS x64",
    "ubuntu-24.04": "Ubuntu 24.04 LTS x64",
}


def survey(spec: ClusterSpec, user: str) -> list[Found]:
    """Servers by tag, the rest by the names that sloth gives."""
    servers = vultr.get_instances(filters=[{"name": "tags", "values": [f"{CLUSTER_TAG}:{spec.name}"]}]).instances
    found = [_server(spec, item, user) for item in servers]
    return [*found, *_volumes(spec, {item.node for item in found}), *_shared(spec)]


def _server(spec: ClusterSpec, item: Any, user: str) -> Found:
    tags = dict(tag.rpartition(":")[::2] for tag in item.tags)
    node = tags.get(NODE_TAG) or item.label.removeprefix(f"{spec.name}-")
    machine = Machine(
        name=node,
        id=item.id,
        address=item.main_ip,
        user=user,
        private_address=item.internal_ip,
        network=f"vultr/{item.vpc_ids[0]}" if item.vpc_ids else "",
        running=item.power_status == "running",
        labels={
            "topology.kubernetes.io/region": item.region,
            "topology.kubernetes.io/zone": item.region,  # a region of Vultr is one site
            "sloth.dev/provider": "vultr",
        },
    )
    return _found("server", item.id, item.label, "instance:Instance", node=node, machine=machine)


def _volumes(spec: ClusterSpec, existing: set[str]) -> Iterator[Found]:
    """Of nodes that exist and of those that the spec wants: a server may be gone and its volume not."""
    for pool in spec.pools:
        if pool.provider == "vultr":
            wanted = {f"{pool.name}-{ordinal}" for ordinal in range(1, pool.count + 1)}
            nodes = wanted | {node for node in existing if node.rpartition("-")[0] == pool.name}
            for node, volume in ((node, volume) for node in sorted(nodes) for volume in pool.options.get("volumes", ())):
                label = f"{spec.name}-{node}-{volume['name']}"
                if item := _one(vultr.get_block_storage, label=label):
                    yield _found("volume", item.id, label, "blockStorage:BlockStorage", node=node)


def _shared(spec: ClusterSpec) -> Iterator[Found]:
    api, firewall, key, network = (f"{spec.name}-{part}" for part in ("balancer", "firewall", "ssh-key", "network"))
    if item := _one(vultr.get_load_balancer, label=api):
        yield _found("load balancer", item.id, api, "loadBalancer:LoadBalancer")
    if item := _one(vultr.get_firewall_group, description=firewall):
        yield _found("firewall", item.id, firewall, "firewallGroup:FirewallGroup", billable=False)
    if item := _one(vultr.get_ssh_key, name=key):
        yield _found("ssh key", item.id, key, "sSHKey:SSHKey", billable=False)
    if item := _one(vultr.get_vpc, description=network):
        yield _found("network", item.id, network, "vpc:Vpc", billable=False)


def _found(kind: Any, id_: str, name: str, token: str, **more: Any) -> Found:
    return Found(kind=kind, id=id_, name=name, token=f"vultr:index/{token}", **more)


def catalogue(wanted: Wanted) -> Catalogue:
    """The regions, plans and operating systems that the spec names, as far as they exist."""
    plans = {name: plan for name in wanted.sizes if (plan := _one(vultr.get_plan, id=name))}
    systems = {name: found for name in wanted.images if (found := _system(name))}
    return Catalogue(
        locations=frozenset(name for name in wanted.locations if _one(vultr.get_region, id=name)),
        sizes={name: _size(name, plan) for name, plan in plans.items()},
        images={name: str(found.id) for name, found in systems.items()},
        currency="USD",
    )


def _size(name: str, plan: Any) -> Size:
    prices = dict.fromkeys(plan.locations, float(plan.monthly_cost))
    return Size(name=name, cpus=plan.vcpu_count, memory=plan.ram, locations=frozenset(plan.locations), prices=prices)


def _system(name: str) -> Any:
    """An operating system by the spec's name of it, or by its number at Vultr."""
    return _one(vultr.get_os, id=name) if name.isdigit() else _one(vultr.get_os, name=IMAGES.get(name, name))


def _one(function: Any, **criteria: str) -> Any:
    """The one thing that fits, or None. That there are two, and every other trouble, stays a failure."""
    try:
        return function(filters=[{"name": name, "values": [value]} for name, value in criteria.items()])
    except Exception as error:
        if "no results were found" in str(error):
            return None
        raise
