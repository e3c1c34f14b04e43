"""What sloth declares at Azure: from plan to resources of the typed SDK."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_azure import compute, core, lb
from pulumi_azure import network as az

from sloth.api import ANYWHERE, CloudPlan, ServerPlan, Shared, fitting, user_data

from . import PLUGIN, zone_of

ZONE_TAG = "sloth:zone"  # functions of the SDK do not tell a machine's zone
_PINNED = ["customData", "sourceImageReference", "sourceImageId", "adminSshKeys"]  # each would replace the machine
_SPOT = {"priority": "Spot", "eviction_policy": "Delete"}  # the next `sloth up` makes it anew; a stopped one would stay away
_STANDARD = {"sku": "Standard", "allocation_method": "Static"}


def network(plan: CloudPlan) -> Shared:
    """Resource group, network, security group, availability set; NAT gateway for private nodes."""
    place = _place(plan)
    group = core.ResourceGroup(**plan.called("group"), **place).name
    there = {"resource_group_name": group, **place}
    cidr = ipaddress.ip_network(plan.network, strict=False)
    net = az.VirtualNetwork(**plan.called("network"), address_spaces=[str(cidr)], **there)
    guard = az.NetworkSecurityGroup(**plan.called("firewall"), security_rules=_rules(plan), **there).id
    # Two halves: what a NAT gateway serves, it serves whole, and it would take public nodes' own address from them.
    inside = {"resource_group_name": group, "virtual_network_name": net.name, "default_outbound_access_enabled": False}
    first, second = (str(half) for half in cidr.subnets())

    def part(name: str, firewall: str, half: str) -> Any:
        subnet = az.Subnet(**plan.called(name), address_prefixes=[half], **inside).id
        hook = az.SubnetNetworkSecurityGroupAssociation(firewall, subnet_id=subnet, network_security_group_id=guard)
        return hook.subnet_id  # the association's word for it: so machines come after the firewall

    spread = compute.AvailabilitySet(**plan.called("spread"), platform_fault_domain_count=2, managed=True, **there).id
    shared = {"group": group, "network": net.id, "subnet": part("subnet", "subnet-firewall", first), "spread": spread}
    if plan.private:
        private = part("private", "private-firewall", second)
        address = az.PublicIp(**plan.called("nat-address"), **_STANDARD, **there).id
        nat = az.NatGateway(**plan.called("nat"), sku_name="Standard", **there).id
        out = az.NatGatewayPublicIpAssociation("nat-out", nat_gateway_id=nat, public_ip_address_id=address)
        # Private machines come after their way out.
        behind = az.SubnetNatGatewayAssociation("private-nat", nat_gateway_id=out.nat_gateway_id, subnet_id=private)
        shared["private"] = behind.subnet_id
    return shared


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """A virtual machine with its address, interface and disks."""
    place, zone = _place(plan, server.name), zone_of(server.location) or None
    there = {"resource_group_name": shared["group"], **place}
    address = az.PublicIp(**plan.called(f"{server.name}-address"), **_STANDARD, **there) if server.public else None
    plug = {"name": "main", "private_ip_address_allocation": "Dynamic", "subnet_id": shared["subnet" if address else "private"]}
    plug |= {"public_ip_address_id": address.id} if address else {}
    nic = az.NetworkInterface(**plan.called(f"{server.name}-nic"), ip_configurations=[plug], **there)
    kind = str(plan.options.get("diskType", "StandardSSD_LRS"))
    disk = {"name": plan.named(f"{server.name}-disk"), "disk_size_gb": plan.options.get("diskSize", 64)}
    machine = compute.LinuxVirtualMachine(
        **plan.called(server.name),
        size=server.size,
        zone=zone,
        network_interface_ids=[nic.id],
        admin_username=PLUGIN.user,
        admin_ssh_keys=[{"username": PLUGIN.user, "public_key": plan.ssh_public_key}],
        os_disk={"caching": "ReadOnly", "storage_account_type": kind, **disk},
        # Custom data, not user data: the metadata service does not give it to what runs on the node. And no identity.
        custom_data=user_data(server, encoded=True),
        # Zones are apart already, and machines in zones cannot be in a set.
        availability_set_id=shared["spread"] if server.role == "control-plane" and not zone and not server.spot else None,
        opts=pulumi.ResourceOptions(ignore_changes=_PINNED),
        **(_SPOT if server.spot else {}),
        **_image(server.image),
        **{**there, "tags": {**place["tags"], ZONE_TAG: server.location}},
    )
    for lun, volume in enumerate(server.volumes):
        part = f"{server.name}-{volume.name}"
        form = {"create_option": "Empty", "disk_size_gb": volume.size, "storage_account_type": kind, "zone": zone}
        data = compute.ManagedDisk(**plan.called(part), **form, **there)
        hook = {"virtual_machine_id": machine.id, "managed_disk_id": data.id, "lun": lun, "caching": "None"}
        pinned = pulumi.ResourceOptions(ignore_changes=["lun"])  # others may come and go
        compute.DataDiskAttachment(f"{part}-attachment", **hook, opts=pinned)
    outside = address.ip_address if address else ""
    return {"id": machine.id, "address": outside, "private_address": nic.private_ip_address}


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """A balancer that keeps the client's address, so the security group's rule for the API still decides."""
    there = {"resource_group_name": shared["group"], **_place(plan)}
    address = az.PublicIp(**plan.called("balancer-address"), **_STANDARD, **there)
    front = {"name": "api", "public_ip_address_id": address.id}
    made = lb.LoadBalancer(**plan.called("balancer"), sku="Standard", frontend_ip_configurations=[front], **there)
    mine = {"loadbalancer_id": made.id}
    pool = lb.BackendAddressPool(**plan.called("balancer-pool"), **mine).id
    probe = lb.Probe(**plan.called("balancer-probe"), protocol="Tcp", port=6443, interval_in_seconds=5, **mine).id
    for name, item in servers.items():
        member = {"backend_address_pool_id": pool, "virtual_network_id": shared["network"]}
        lb.BackendAddressPoolAddress(**plan.called(f"{name}-balanced"), ip_address=item["private_address"], **member)
    lb.Rule(
        **plan.called("balancer-api"), protocol="Tcp", frontend_port=6443, backend_port=6443, probe_id=probe,
        frontend_ip_configuration_name="api", backend_address_pool_ids=[pool], disable_outbound_snat=True, **mine,
    )  # fmt: skip
    return address.ip_address


def _place(plan: CloudPlan, node: str = "") -> dict[str, Any]:
    return {"location": PLUGIN.region(plan.location), "tags": fitting(plan.tags(node), r"[<>%&\\?/]")}


def _rules(plan: CloudPlan) -> list[dict[str, Any]]:
    """What may come in. The network has IPv4 only, so IPv6 sources cannot occur."""
    wanted: list[tuple[str, str, Any, Sequence[str]]] = [
        ("mesh", "Udp", plan.mesh_port, ANYWHERE),  # nodes at other clouds must get here: WireGuard answers only known keys
        ("ssh", "Tcp", 22, [*plan.access_ssh, *([plan.network] if plan.private else [])]),  # private ones through public ones
        ("api", "Tcp", 6443, plan.access_api),
        ("probe", "Tcp", 6443, ["AzureLoadBalancer"]),
        # Azure itself would let in all of the network and of peered ones.
        ("deny", "*", "*", ["*"]),
    ]
    return [
        {
            "name": name, "priority": 4000 if name == "deny" else 100 + 10 * number, "direction": "Inbound",
            "access": "Deny" if name == "deny" else "Allow", "protocol": protocol, "source_port_range": "*",
            "destination_address_prefix": "*", "destination_port_range": str(port), **_sources(sources),
        }
        for number, (name, protocol, port, sources) in enumerate(wanted)
        if _sources(sources)
    ]  # fmt: skip


def _sources(given: Sequence[str]) -> dict[str, Any]:
    """Words such as `*` stand alone, networks in a list."""
    ranges = [cidr for cidr in given if ":" not in cidr]
    words = [cidr for cidr in ranges if "/" not in cidr]
    return {"source_address_prefix": words[0]} if words else {"source_address_prefixes": ranges} if ranges else {}


def _image(image: str) -> dict[str, Any]:
    """`PUBLISHER:OFFER:SKU:VERSION` of the marketplace, else the id of an own image."""
    if image.count(":") != 3:
        return {"source_image_id": image}
    return {"source_image_reference": dict(zip(("publisher", "offer", "sku", "version"), image.split(":"), strict=True))}
