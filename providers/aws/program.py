"""What sloth declares at AWS: from plan to resources of the typed SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

import pulumi
import pulumi_aws as aws

from sloth.api import ANYWHERE, CloudPlan, ServerPlan, Shared, user_data

# The next `sloth up` makes it anew; one that is only stopped would stay away.
_SPOT = {"market_type": "spot", "spot_options": {"instance_interruption_behavior": "terminate", "spot_instance_type": "one-time"}}


def network(plan: CloudPlan) -> Shared:
    """What all servers share. Subnets cost nothing, so every zone has one: a node in a new zone changes nothing of the others."""
    vpc = aws.ec2.Vpc(**_named(plan, "network"), cidr_block=plan.network, enable_dns_hostnames=True)
    way_out = aws.ec2.InternetGateway(**_named(plan, "internet"), vpc_id=vpc.id)
    # No local or wavelength zones: they are rented apart and lack half of the sizes.
    usual = [{"name": "opt-in-status", "values": ["opt-in-not-required"]}]
    zones = sorted(aws.get_availability_zones(state="available", filters=usual).names)
    public = _subnets(plan, "public", vpc, zones, gateway_id=way_out.id)
    private = {}
    if plan.private:
        address = aws.ec2.Eip(**_named(plan, "nat-address"), domain="vpc", opts=pulumi.ResourceOptions(depends_on=[way_out]))
        nat = aws.ec2.NatGateway(**_named(plan, "nat"), allocation_id=address.id, subnet_id=public[f"public-{zones[0]}"])
        private = _subnets(plan, "private", vpc, zones, nat_gateway_id=nat.id)
    out = [_rule("everything", "-1", ANYWHERE, 0)]
    about = {"name": plan.named("nodes"), "description": "Nodes of the cluster"}
    group = aws.ec2.SecurityGroup(**_named(plan, "nodes"), **about, vpc_id=vpc.id, ingress=_rules(plan), egress=out)
    key = aws.ec2.KeyPair(**_named(plan, "key"), key_name=plan.named("key"), public_key=plan.ssh_public_key)
    # Seven instances per zone at most: enough for control planes; workers are left out, Kubernetes bears the loss of one.
    spread = aws.ec2.PlacementGroup(**_named(plan, "spread"), name=plan.named("spread"), strategy="spread")
    return {**public, **private, "vpc": vpc.id, "group": group.id, "key": key.key_name, "spread": spread.name}


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One instance and its volumes."""
    tags = {**plan.tags(server.name), "Name": plan.named(server.name)}
    disks = [_volume(plan, server, index) for index in range(len(server.volumes))]
    made = aws.ec2.Instance(
        **_named(plan, server.name, server.name),
        ami=server.image,
        instance_type=server.size,
        subnet_id=shared[f"{'public' if server.public else 'private'}-{server.location}"],
        associate_public_ip_address=server.public,
        vpc_security_group_ids=[shared["group"]],
        key_name=shared["key"],
        placement_group=shared["spread"] if server.role == "control-plane" else None,
        user_data=user_data(server),
        # Only the host itself asks the metadata service: a token is needed, and its answer does not travel on to pods.
        metadata_options={"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1},
        root_block_device={
            "encrypted": True, "volume_type": "gp3", "volume_size": int(plan.options.get("disk") or 40), "tags": tags
        },
        instance_market_options=_SPOT if server.spot else None,
        # A new image would replace the instance and new user-data stop it; both come with `--replace` only. Volumes first, so
        # that they are deleted last.
        opts=pulumi.ResourceOptions(ignore_changes=["ami", "user_data"], depends_on=disks),
    )  # fmt: skip
    for index, (volume, disk) in enumerate(zip(server.volumes, disks, strict=True)):
        # Nothing on it is kept when a volume goes, and a disk that is still mounted would never be let go otherwise.
        name, device = f"{server.name}-{volume.name}-attachment", f"/dev/sd{chr(ord('f') + index)}"
        place = {"device_name": device, "instance_id": made.id, "volume_id": disk.id}
        aws.ec2.VolumeAttachment(name, **place, force_detach=True)
    return {"id": made.id, "address": made.public_ip if server.public else "", "private_address": made.private_ip}


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443. It is in the nodes' security group, whose rule for the API lets in who may and what comes from itself."""
    subnets = [value for key, value in sorted(shared.items()) if key.startswith("public-")]
    made = aws.lb.LoadBalancer(
        **_named(plan, "api"), load_balancer_type="network", subnets=subnets, security_groups=[shared["group"]]
    )  # without a name: 32 characters are too few for that of every cluster
    targets = aws.lb.TargetGroup(
        **_named(plan, "api-targets"), vpc_id=shared["vpc"], port=6443, protocol="TCP", target_type="instance",
        # A node may reach itself through the balancer only if the address that it sees is not its own.
        preserve_client_ip="false", health_check={"protocol": "TCP", "interval": 10},
    )  # fmt: skip
    forward = [{"type": "forward", "target_group_arn": targets.arn}]
    listener = {"load_balancer_arn": made.arn, "port": 6443, "protocol": "TCP", "default_actions": forward}
    aws.lb.Listener(**_named(plan, "api-listener"), **listener)
    for name, item in servers.items():
        target = {"target_group_arn": targets.arn, "target_id": item["id"], "port": 6443}
        aws.lb.TargetGroupAttachment(f"{name}-target", **target)
    return made.dns_name


def _subnets(plan: CloudPlan, kind: str, vpc: Any, zones: list[str], **gateway: Any) -> dict[str, Any]:
    """A subnet in each zone and their way out. Which part of the network a zone has is told by its letter, not by the others."""
    table = aws.ec2.RouteTable(**_named(plan, kind), vpc_id=vpc.id, routes=[{"cidr_block": ANYWHERE[0], **gateway}])
    parts = list(ip_network(plan.network).subnets(prefixlen_diff=5))
    made = {}
    for zone in zones:
        name, part = f"{kind}-{zone}", ord(zone[-1]) - ord("a") + (16 if kind == "private" else 0)
        place = {"vpc_id": vpc.id, "availability_zone": zone, "cidr_block": str(parts[part])}
        subnet = aws.ec2.Subnet(**_named(plan, name), **place)
        aws.ec2.RouteTableAssociation(f"{name}-route", subnet_id=subnet.id, route_table_id=table.id)
        made[name] = subnet.id
    return made


def _volume(plan: CloudPlan, server: ServerPlan, index: int) -> Any:
    volume = server.volumes[index]
    named = _named(plan, f"{server.name}-{volume.name}", server.name)
    return aws.ebs.Volume(**named, availability_zone=server.location, size=volume.size, type="gp3", encrypted=True)


def _rules(plan: CloudPlan) -> list[Any]:
    """What may come in; a security group refuses the rest, from inside the VPC too."""
    rules = {
        # Private nodes are reached through public ones; the balancer asks from inside.
        "jump": _rule("SSH among nodes", "tcp", (), 22, itself=True),
        "api": _rule("Kubernetes API", "tcp", (), 6443, itself=True),
    }
    for door in plan.doors():
        sources = door.v4 if door.protocol == "icmp" else door.sources  # ICMP of IPv6 is another protocol
        rules[door.name] = _rule(door.text, door.protocol, sources, door.port or -1, itself=door.name == "api")
    return [rules[name] for name in ("mesh", "icmp", "ssh", "jump", "api") if name in rules]


def _rule(what: str, protocol: str, sources: Sequence[str], port: int, *, itself: bool = False) -> dict[str, Any]:
    old, new = [cidr for cidr in sources if ":" not in cidr], [cidr for cidr in sources if ":" in cidr]
    return {
        "description": what, "protocol": protocol, "from_port": port, "to_port": port, "cidr_blocks": old,
        "ipv6_cidr_blocks": new, "self": itself,
    }  # fmt: skip


def _named(plan: CloudPlan, name: str, node: str = "") -> dict[str, Any]:
    """Logical name and tags of a resource that can carry them; the console shows the tag `Name`."""
    return {"resource_name": name, "tags": {**plan.tags(node), "Name": plan.named(name)}}
