"""What sloth declares at Linode: pure functions from plan to resources of the typed SDK."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
import pulumi_linode as linode

from sloth.api import CloudPlan, ServerPlan, Shared

ANYWHERE = ("0.0.0.0/0", "::/0")


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
    region = _region(plan)
    vpc = linode.Vpc("network", label=fit(plan.named("network"), 64), region=region, opts=_options(plan, "network"))
    subnet = linode.VpcSubnet(
        "subnet", vpc_id=vpc.id.apply(int), label=fit(plan.named("subnet"), 64), ipv4=plan.network, opts=_options(plan, "subnet")
    )
    firewall = _firewall(plan, "firewall", _inbound(plan))
    # Flexible: a server that finds no host of its own is made anyway; strict groups refuse it. Groups hold few members (5 at some
    # regions), so workers are left out; Kubernetes bears the loss of one.
    group = linode.PlacementGroup(
        "placement", label=fit(plan.named("placement")), region=region, placement_group_type="anti_affinity:local",
        placement_group_policy="flexible", opts=_options(plan, "placement"),
    )  # fmt: skip
    return {"subnet": subnet.id, "firewall": firewall.id, "placement": group.id}


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One Linode with a public and a VPC interface, and its volumes."""
    group = linode.InstancePlacementGroupArgs(id=_number(shared["placement"])) if server.role == "control-plane" else None
    text = base64.b64encode(server.user_data.reveal().encode()).decode()
    made = linode.Instance(
        server.name,
        label=fit(plan.named(server.name), 64),
        type=server.size,
        region=server.location,
        image=server.image,
        metadatas=[linode.InstanceMetadataArgs(user_data=pulumi.Output.secret(text))],
        authorized_keys=[plan.ssh_public_key],
        firewall_id=_number(shared["firewall"]),
        interface_generation="legacy_config",  # whatever the account's default is: the two kinds are declared differently
        interfaces=[
            linode.InstanceInterfaceArgs(purpose="public", primary=True),
            linode.InstanceInterfaceArgs(purpose="vpc", subnet_id=_number(shared["subnet"])),
        ],
        placement_group=group,
        swap_size=0,  # the kubelet wants none
        tags=tags(plan, server.name),
        # Each of these would replace the Linode when it changes; sloth replaces only nodes that it is told to.
        opts=_options(
            server, server.name, ignore_changes=["image", "metadatas", "authorized_keys", "firewall_id", "swap_size", "region"]
        ),
    )
    for volume in server.volumes:
        disk = f"{server.name}-{volume.name}"
        linode.Volume(
            disk, label=fit(plan.named(disk)), region=server.location, size=volume.size, linode_id=_number(made.id),
            tags=tags(plan, server.name), opts=_options(server, disk),
        )  # fmt: skip
    return {"id": made.id, "address": made.ipv4s.apply(public), "private_address": made.interfaces.apply(_private)}


def public(addresses: Iterable[str] | None) -> str:
    """The public one of a Linode's addresses; the others are of the region's shared private network."""
    return next((text for text in addresses or () if not text.startswith("192.168.")), "")


def _private(interfaces: Any) -> str:
    return next((str(item.ipv4.vpc) for item in interfaces or () if item.purpose == "vpc" and item.ipv4), "")


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443 to the servers' addresses in the VPC."""
    subnet = _number(shared["subnet"])
    firewall = _firewall(plan, "balancer-firewall", _rule("api", "TCP", plan.access_api, 6443))
    made = linode.NodeBalancer(
        "balancer", label=fit(plan.named("balancer")), region=_region(plan), tags=tags(plan), firewall_id=_number(firewall.id),
        vpcs=[linode.NodeBalancerVpcArgs(subnet_id=subnet)], opts=_options(plan, "balancer"),
    )  # fmt: skip
    port = linode.NodeBalancerConfig(
        "balancer-api", nodebalancer_id=_number(made.id), port=6443, protocol="tcp", check="connection",
        opts=_options(plan, "balancer-api"),
    )  # fmt: skip
    for name, item in servers.items():
        target = f"{name}-target"
        linode.NodeBalancerNode(
            target, label=fit(name), nodebalancer_id=_number(made.id), config_id=_number(port.id), subnet_id=subnet,
            address=pulumi.Output.concat(item["private_address"], ":6443"), opts=_options(plan, target),
        )  # fmt: skip
    return made.ipv4


def _firewall(plan: CloudPlan, name: str, rules: list[linode.FirewallInboundArgs]) -> linode.Firewall:
    return linode.Firewall(
        name, label=fit(plan.named(name)), inbound_policy="DROP", inbounds=rules, outbound_policy="ACCEPT", tags=tags(plan),
        opts=_options(plan, name),
    )  # fmt: skip


def _inbound(plan: CloudPlan) -> list[linode.FirewallInboundArgs]:
    """What may come in, from the internet and inside the VPC."""
    return [
        # From anywhere: nodes at other clouds have addresses that nobody knows yet. WireGuard answers nobody without a known key.
        *_rule("mesh", "UDP", ANYWHERE, plan.mesh_port),
        *_rule("ping", "ICMP", ANYWHERE),
        *_rule("ssh", "TCP", plan.access_ssh, 22),
        *_rule("api", "TCP", plan.access_api, 6443),
        # A NodeBalancer speaks to its targets from an address in the VPC.
        *(_rule("balancer", "TCP", [plan.network], 6443) if plan.balance else []),
    ]


def _rule(label: str, protocol: str, sources: Iterable[str], port: int | None = None) -> list[linode.FirewallInboundArgs]:
    """One rule; none without sources, for Linode takes an empty list for everybody."""
    v4, v6 = [cidr for cidr in sources if ":" not in cidr], [cidr for cidr in sources if ":" in cidr]
    ports = str(port) if port else None
    rule = linode.FirewallInboundArgs(
        label=label, action="ACCEPT", protocol=protocol, ports=ports, ipv4s=v4 or None, ipv6s=v6 or None
    )
    return [rule] if v4 or v6 else []


def _region(plan: CloudPlan) -> str:
    """The one region (`check` saw that it is one); a stack without servers knows it from the options."""
    given = plan.options.get("location") or ("",)
    return plan.servers[0].location if plan.servers else given if isinstance(given, str) else given[0]


def _number(value: Any) -> pulumi.Output[int]:
    """The id itself; ids for import are lists with the parents' before it."""
    return pulumi.Output.from_input(value).apply(lambda text: int(str(text).rsplit(",", 1)[-1]))


def _options(owner: CloudPlan | ServerPlan, name: str, **more: Any) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(import_=owner.adopt.get(name), **more)
