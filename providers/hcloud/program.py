"""What sloth declares at Hetzner Cloud: from plan to resources of the typed SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_hcloud as hcloud

from sloth.api import ANYWHERE, CLUSTER_TAG, NODE_TAG, CloudPlan, ServerPlan, Shared, number, user_data

from . import PLUGIN

# Label keys at Hetzner are like those of Kubernetes: a prefix before a slash, no colon.
LABELS = {CLUSTER_TAG: "sloth.dev/cluster", NODE_TAG: "sloth.dev/node"}
# Each of these would replace the server when it changes; sloth replaces only nodes that it is told to.
_PINNED = ["image", "user_data", "ssh_keys", "location"]


def network(plan: CloudPlan) -> Shared:
    """What all servers share."""
    net = hcloud.Network(**_named(plan, "network"), ip_range=plan.network)
    place = {"network_zone": PLUGIN.region(plan.location), "ip_range": plan.network}  # `check` saw that all are of one zone
    subnet = hcloud.NetworkSubnet("subnet", network_id=number(net.id), type="cloud", **place)
    firewall = hcloud.Firewall(**_named(plan, "firewall"), rules=_rules(plan))
    key = hcloud.SshKey(**_named(plan, "key"), public_key=plan.ssh_public_key)
    # A spread group holds at most 10 servers. Control planes are fewer; workers are left out, since which of several groups a
    # worker is in would depend on the others, and Kubernetes bears the loss of one anyway.
    group = hcloud.PlacementGroup(**_named(plan, "spread"), type="spread")
    # No server can join the network before its subnet is there, so servers are given that one's id.
    return {
        "network": net.id,
        "subnet": subnet.id,
        "firewall": firewall.id,
        "key": key.id,
        "spread": group.id,
        "zone": place["network_zone"],
    }


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One server, its place in the network and its volumes."""
    made = hcloud.Server(
        **_named(plan, server.name, server.name),
        server_type=server.size,
        location=server.location,
        image=server.image,
        user_data=user_data(server),
        ssh_keys=[shared["key"]],
        placement_group_id=number(shared["spread"]) if server.role == "control-plane" else None,
        opts=pulumi.ResourceOptions(ignore_changes=_PINNED),
        **_where(server, shared),
    )
    ident = number(made.id)
    inside = made.networks.apply(lambda all_: all_[0].ip) if not server.public else _join(server, shared, ident)
    if server.name == plan.forwarder:
        first = pulumi.ResourceOptions(delete_before_replace=True)  # a network has one route for a destination
        way = {"network_id": number(shared["network"]), "destination": ANYWHERE[0], "gateway": inside}
        hcloud.NetworkRoute("way-out", **way, opts=first)
    for volume in server.volumes:
        # Empty: the node itself makes the file system, as at all clouds.
        called = _named(plan, f"{server.name}-{volume.name}", server.name)
        hcloud.Volume(**called, size=volume.size, server_id=ident, automount=False)
    return {"id": made.id, "address": made.ipv4_address if server.public else "", "private_address": inside}


def _where(server: ServerPlan, shared: Shared) -> dict[str, Any]:
    """A server has to be in some network when it is made; Hetzner refuses a firewall for one without a public address."""
    if server.public:
        return {"firewall_ids": [number(shared["firewall"])]}
    closed = hcloud.ServerPublicNetArgs(ipv4_enabled=False, ipv6_enabled=False)
    return {"public_nets": [closed], "networks": [hcloud.ServerNetworkArgs(subnet_id=shared["subnet"], alias_ips=[])]}


def _join(server: ServerPlan, shared: Shared, ident: Any) -> Any:
    return hcloud.ServerNetwork(f"{server.name}-network", server_id=ident, subnet_id=shared["subnet"]).ip


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443, passed on over the private network: no server's firewall needs a hole for it."""
    made = hcloud.LoadBalancer(**_named(plan, "api"), load_balancer_type="lb11", network_zone=shared["zone"])
    ident = number(made.id)
    joined = hcloud.LoadBalancerNetwork("api-network", load_balancer_id=ident, subnet_id=shared["subnet"])
    ports = {"listen_port": 6443, "destination_port": 6443}
    hcloud.LoadBalancerService("api-service", load_balancer_id=made.id, protocol="tcp", **ports)
    for name, item in servers.items():
        target = {"type": "server", "server_id": number(item["id"]), "use_private_ip": True}
        after = pulumi.ResourceOptions(depends_on=[joined])
        hcloud.LoadBalancerTarget(f"{name}-target", load_balancer_id=ident, **target, opts=after)
    return made.ipv4


def _rules(plan: CloudPlan) -> list[hcloud.FirewallRuleArgs]:
    """What may come in from the internet; a firewall of Hetzner refuses the rest. It does not filter the private network."""
    return [
        hcloud.FirewallRuleArgs(
            direction="in",
            description=door.text,
            protocol=door.protocol,
            source_ips=[*door.sources],
            port=str(door.port) if door.port else None,
        )
        for door in plan.doors()
    ]


def _named(plan: CloudPlan, part: str, node: str = "") -> dict[str, Any]:
    """Names and labels of a resource that can carry them."""
    labels = {LABELS.get(key, key): value for key, value in plan.tags(node).items()}
    return {**plan.called(part), "labels": labels}
