"""What sloth asks Vultr: what is there of a cluster, and what the account can have.

Only `getInstances` lists. Every other function finds the one thing that fits and fails otherwise, so the rest is asked by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ediri_vultr as vultr

from sloth.api import CLUSTER_TAG, NODE_TAG, Catalogue, Cloud, ClusterSpec, Found, Size, Wanted, one

# Image names of the spec -> names in Vultr's list of operating systems.
IMAGES = {
    "debian-12": "Debian 12 x64 (bookworm)",
    "debian-13": "Debian 13 x64 (trixie)",
    "ubuntu-22.04": "Ubuntu 22.04 LTS x64",
    "ubuntu-24.04": "Ubuntu 24.04 LTS x64",
}


def survey(cloud: Cloud, spec: ClusterSpec) -> list[Found]:
    """Servers by tag, the rest by the names that sloth gives."""
    servers = vultr.get_instances(filters=[{"name": "tags", "values": [f"{CLUSTER_TAG}:{spec.name}"]}]).instances
    found = [_server(cloud, spec, item) for item in servers]
    return [*found, *_volumes(cloud, spec, {item.node for item in found}), *_shared(spec)]


def _server(cloud: Cloud, spec: ClusterSpec, item: Any) -> Found:
    tags = dict(tag.rpartition(":")[::2] for tag in item.tags)
    node = tags.get(NODE_TAG) or item.label.removeprefix(f"{spec.name}-")
    machine = cloud.machine(
        node,
        item.id,
        address=item.main_ip,
        private=item.internal_ip,
        network=next(iter(item.vpc_ids), ""),
        running=item.power_status == "running",
        region=item.region,  # a region of Vultr is one site
    )
    return _found("server", item.id, item.label, "instance:Instance", node=node, machine=machine)


def _volumes(cloud: Cloud, spec: ClusterSpec, existing: set[str]) -> Iterator[Found]:
    for _, node, disk in cloud.disks(spec, existing):
        label = f"{spec.name}-{disk}"
        if item := _one(vultr.get_block_storage, label=label):
            yield _found("volume", item.id, label, "blockStorage:BlockStorage", node=node)


def _shared(spec: ClusterSpec) -> Iterator[Found]:
    api, firewall, key, network = (f"{spec.name}-{part}" for part in ("balancer", "firewall", "ssh-key", "network"))
    if item := _one(vultr.get_load_balancer, label=api):
        yield _found("load balancer", item.id, api, "loadBalancer:LoadBalancer")
    if item := _one(vultr.get_firewall_group, description=firewall):
        yield _found("firewall", item.id, firewall, "firewallGroup:FirewallGroup")
    if item := _one(vultr.get_ssh_key, name=key):
        yield _found("ssh key", item.id, key, "sSHKey:SSHKey")
    if item := _one(vultr.get_vpc, description=network):
        yield _found("network", item.id, network, "vpc:Vpc")


def _found(kind: Any, id_: str, name: str, token: str, **more: Any) -> Found:
    return Found(kind=kind, id=id_, name=name, token=f"vultr:index/{token}", **more)


def catalogue(cloud: Cloud, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
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
    filters = [{"name": name, "values": [value]} for name, value in criteria.items()]
    return one("no results were found", function, filters=filters)
