"""What sloth declares at DigitalOcean: pure functions from plan to resources of the typed SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_digitalocean as do

from sloth.api import ANYWHERE, CLUSTER_TAG, CloudPlan, ServerPlan, Shared, Volume, number, user_data

_PORTS = "1-65535"


def tag(key: str, value: str) -> str:
    """`key:value` as a tag: letters, digits, `:`, `-`, `_`, at most 255 characters."""
    return re.sub(r"[^A-Za-z0-9:_-]", "-", f"{key}:{value}")[:255]


def tags(plan: CloudPlan, node: str, shared: Shared) -> list[Any]:
    """All tags of a node's resource. The cluster's is an output of the tag's own resource, which must not come second."""
    return [shared["tag"], *sorted(tag(key, value) for key, value in plan.tags(node).items() if key != CLUSTER_TAG)]


def network(plan: CloudPlan) -> Shared:
    """What all Droplets share."""
    text, region = f"{CLUSTER_TAG}={plan.cluster}", plan.location  # a VPC has a description and no tags
    vpc = do.Vpc(**plan.called("network"), region=region, ip_range=plan.network, description=text)
    # The firewall follows the tag, so a Droplet is behind it from its first second, whichever stack makes it.
    mark = do.Tag("tag", name=tag(CLUSTER_TAG, plan.cluster))
    out = [_outbound("tcp", _PORTS), _outbound("udp", _PORTS), _outbound("icmp")]
    wall = do.Firewall(**plan.called("firewall"), tags=[mark.name], inbound_rules=_inbound(plan, mark.name), outbound_rules=out)
    key = do.SshKey(**plan.called("ssh-key"), public_key=plan.ssh_public_key)
    shared = {"network": vpc.id, "tag": mark.name, "key": key.fingerprint, "firewall": wall.id}
    if plan.private:
        way = do.VpcNatGatewayVpcArgs(vpc_uuid=vpc.id, default_gateway=True)
        gateway = do.VpcNatGateway(**plan.called("gateway"), region=region, type="PUBLIC", size=1, vpcs=[way])
        shared["gateway"] = gateway.id
    return shared


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One Droplet; its volumes are made first, so that they are there when it boots."""
    # To need their ids is to wait for them: nothing stands open before the firewall is there, or downloads before the gateway is.
    first = [shared[name] for name in ("network", "firewall", *(() if server.public else ("gateway",)))]
    place = pulumi.Output.all(*first).apply(lambda ids: str(ids[0]))
    made = do.Droplet(
        **plan.called(server.name),
        region=server.location,
        size=server.size,
        image=server.image,
        vpc_uuid=place,
        public_networking=server.public,
        ssh_keys=[shared["key"]],
        user_data=user_data(server),
        volume_ids=[_volume(plan, server, shared, volume) for volume in server.volumes],
        droplet_agent=False,  # it serves the panel's console over an SSH port that the firewall closes
        tags=tags(plan, server.name, shared),
        # Each of these would replace the Droplet when it changes; sloth replaces only nodes that it is told to.
        opts=pulumi.ResourceOptions(ignore_changes=["image", "user_data", "ssh_keys", "region", "droplet_agent"]),
    )
    address = made.ipv4_address if server.public else ""
    return {"id": made.id, "address": address, "private_address": made.ipv4_address_private}


def _volume(plan: CloudPlan, server: ServerPlan, shared: Shared, volume: Volume) -> Any:
    called, marks = plan.called(f"{server.name}-{volume.name}"), tags(plan, server.name, shared)
    return do.Volume(**called, region=server.location, size=volume.size, tags=marks).id


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443 over the private network; the balancer filters by itself, and Droplets let in this balancer only."""
    made = do.LoadBalancer(
        **plan.called("balancer"),
        region=plan.location,
        vpc_uuid=shared["network"],
        droplet_ids=[number(item["id"]) for item in servers.values()],
        forwarding_rules=[
            do.LoadBalancerForwardingRuleArgs(entry_protocol="tcp", entry_port=6443, target_protocol="tcp", target_port=6443)
        ],
        healthcheck=do.LoadBalancerHealthcheckArgs(protocol="tcp", port=6443),
        firewall=_fence(plan),
    )
    hole = _inbound_rule("tcp", "6443", source_load_balancer_uids=[made.id])
    do.Firewall(**plan.called("balancer-firewall"), tags=[shared["tag"]], inbound_rules=[hole])
    return made.ip


def _fence(plan: CloudPlan) -> do.LoadBalancerFirewallArgs:
    """Who may come in; the balancer has an IPv4 address only. Without any rule all might."""
    allowed = [f"cidr:{cidr}" for cidr in plan.access_api if ":" not in cidr]
    return do.LoadBalancerFirewallArgs(allows=allowed) if allowed else do.LoadBalancerFirewallArgs(denies=["cidr:0.0.0.0/0"])


def _inbound(plan: CloudPlan, mark: Any) -> list[do.FirewallInboundRuleArgs]:
    """What may come in, on the public and on the private interface; the rest is refused."""
    rules = {
        door.name: _inbound_rule(door.protocol, str(door.port) if door.port else None, source_addresses=[*door.sources])
        for door in plan.doors()
    }
    if plan.private:  # private Droplets are reached through a public one
        rules["jump"] = _inbound_rule("tcp", "22", source_tags=[mark])
    order = ("mesh", "icmp", "ssh", "jump", "api")
    return [rules[name] for name in order if name in rules]


def _inbound_rule(protocol: str, ports: str | None, **sources: Any) -> do.FirewallInboundRuleArgs:
    return do.FirewallInboundRuleArgs(protocol=protocol, port_range=ports, **sources)


def _outbound(protocol: str, ports: str | None = None) -> do.FirewallOutboundRuleArgs:
    return do.FirewallOutboundRuleArgs(protocol=protocol, port_range=ports, destination_addresses=[*ANYWHERE])
