"""What sloth declares at Linode: pure functions from plan to resources of the typed SDK."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
import pulumi_linode as linode

from sloth.api import CloudPlan, Door, ServerPlan, Shared, number, user_data

# Each of these would replace the Linode when it changes; sloth replaces only nodes that it is told to.
_PINNED = ["image", "metadatas", "authorized_keys", "firewall_id", "swap_size", "region"]


def fit(text: str, limit: int = 32) -> str:
    """As a label: no two dashes side by side; where too long, the end is replaced by a digest of the whole."""
    text = re.sub(r"-+", "-", text)
    return text if len(text) <= limit else f"{text[: limit - 7]}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def tag(key: str, value: str) -> str:
    """`key:value` as a tag of at most 50 characters."""
    return fit(re.sub(r"[^A-Za-z0-9:_-]", "-", f"{key}:{value}"), 50)


def tags(plan: CloudPlan, node: str = "") -> list[str]:
    """All tags of a resource. VPCs, subnets and placement groups can carry none; their labels tell."""
    return sorted(tag(key, value) for key, value in plan.tags(node).items())


def network(plan: CloudPlan) -> Shared:
    """What all Linodes share. The SSH key goes to each Linode as text: a key resource is a user's, and does not reach servers."""
    vpc = linode.Vpc(**_labelled(plan, "network", 64), region=plan.location)
    subnet = linode.VpcSubnet(**_labelled(plan, "subnet", 64), vpc_id=vpc.id.apply(int), ipv4=plan.network)
    # Flexible: a server that finds no host of its own is made anyway; strict groups refuse it. Groups hold few members (5 at some
    # regions), so workers are left out; Kubernetes bears the loss of one.
    kind = {"placement_group_type": "anti_affinity:local", "placement_group_policy": "flexible"}
    group = linode.PlacementGroup(**_labelled(plan, "placement"), region=plan.location, **kind)
    return {"subnet": subnet.id, "firewall": _firewall(plan, "firewall", _inbound(plan)).id, "placement": group.id}


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One Linode with a public and a VPC interface, and its volumes."""
    group = linode.InstancePlacementGroupArgs(id=number(shared["placement"])) if server.role == "control-plane" else None
    made = linode.Instance(
        **_labelled(plan, server.name, 64),
        type=server.size,
        region=server.location,
        image=server.image,
        metadatas=[linode.InstanceMetadataArgs(user_data=user_data(server, encoded=True))],
        authorized_keys=[plan.ssh_public_key],
        firewall_id=number(shared["firewall"]),
        interface_generation="legacy_config",  # whatever the account's default is: the two kinds are declared differently
        interfaces=[
            linode.InstanceInterfaceArgs(purpose="public", primary=True),
            linode.InstanceInterfaceArgs(purpose="vpc", subnet_id=number(shared["subnet"])),
        ],
        placement_group=group,
        swap_size=0,  # the kubelet wants none
        tags=tags(plan, server.name),
        opts=pulumi.ResourceOptions(ignore_changes=_PINNED, additional_secret_outputs=["metadatas"]),
    )
    disk = {"region": server.location, "linode_id": number(made.id), "tags": tags(plan, server.name)}
    for volume in server.volumes:
        linode.Volume(**_labelled(plan, f"{server.name}-{volume.name}"), size=volume.size, **disk)
    return {"id": made.id, "address": made.ipv4s.apply(public), "private_address": made.interfaces.apply(_private)}


def public(addresses: Iterable[str] | None) -> str:
    """The public one of a Linode's addresses; the others are of the region's shared private network."""
    return next((text for text in addresses or () if not text.startswith("192.168.")), "")


def _private(interfaces: Any) -> str:
    return next((str(item.ipv4.vpc) for item in interfaces or () if item.purpose == "vpc" and item.ipv4), "")


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443 to the servers' addresses in the VPC."""
    subnet, ours = number(shared["subnet"]), tags(plan)
    firewall = _firewall(plan, "balancer-firewall", [_rule(door) for door in plan.doors() if door.name == "api"])
    vpc = linode.NodeBalancerVpcArgs(subnet_id=subnet)
    made = linode.NodeBalancer(
        **_labelled(plan, "balancer"), region=plan.location, tags=ours, firewall_id=number(firewall.id), vpcs=[vpc]
    )
    mine = {"nodebalancer_id": number(made.id)}
    port = linode.NodeBalancerConfig("balancer-api", port=6443, protocol="tcp", check="connection", **mine)
    for name, item in servers.items():
        target = {"subnet_id": subnet, "address": pulumi.Output.concat(item["private_address"], ":6443")}
        linode.NodeBalancerNode(f"{name}-target", label=fit(name), config_id=number(port.id), **target, **mine)
    return made.ipv4


def _firewall(plan: CloudPlan, name: str, rules: list[linode.FirewallInboundArgs]) -> linode.Firewall:
    usual = {"inbound_policy": "DROP", "outbound_policy": "ACCEPT", "tags": tags(plan)}
    return linode.Firewall(**_labelled(plan, name), inbounds=rules, **usual)


def _inbound(plan: CloudPlan) -> list[linode.FirewallInboundArgs]:
    """What may come in, from the internet and inside the VPC."""
    return [_rule(door) for door in (*plan.doors(), *plan.inner_doors())]


def _rule(door: Door) -> linode.FirewallInboundArgs:
    return linode.FirewallInboundArgs(
        label="ping" if door.name == "icmp" else door.name,
        action="ACCEPT",
        protocol=door.protocol.upper(),
        ports=str(door.port) if door.port else None,
        ipv4s=door.v4 or None,
        ipv6s=door.v6 or None,
    )


def _labelled(plan: CloudPlan, part: str, limit: int = 32) -> dict[str, str]:
    """Logical name, and what Linode calls a name."""
    return {"resource_name": part, "label": fit(plan.named(part), limit)}
