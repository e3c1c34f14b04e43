"""What sloth declares at Hetzner Cloud: from plan to resources of the typed SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_hcloud as hcloud

from sloth.api import CLUSTER_TAG, NODE_TAG, CloudPlan, ServerPlan, Shared

from . import zone

_ANYWHERE = ("0.0.0.0/0", "::/0")
# Label keys at Hetzner are like those of Kubernetes: a prefix before a slash, no colon.
LABELS = {CLUSTER_TAG: "sloth.dev/cluster", NODE_TAG: "sloth.dev/node"}
# Each of these would replace the server when it changes; sloth replaces only nodes that it is told to.
_PINNED = ["image", "user_data", "ssh_keys", "location"]


def network(plan: CloudPlan) -> Shared:
    """What all servers share."""
    net = hcloud.Network(**_named(plan, "network"), ip_range=plan.network)
    given = plan.options.get("location") or [server.location for server in plan.servers] or [""]
    place = zone(given if isinstance(given, str) else given[0])  # `check` saw that all are of one zone
    subnet = hcloud.NetworkSubnet(
        **_bare(plan, "subnet"), network_id=_number(net.id), type="cloud", network_zone=place, ip_range=plan.network
    )
    firewall = hcloud.Firewall(**_named(plan, "firewall"), rules=_rules(plan))
    key = hcloud.SshKey(**_named(plan, "key"), public_key=plan.ssh_public_key)
    # A spread group holds at most 10 servers. Control planes are fewer; workers are left out, since which of several groups a
    # worker is in would depend on the others, and Kubernetes bears the loss of one anyway.
    group = hcloud.PlacementGroup(**_named(plan, "spread"), type="spread")
    # No server can join the network before its subnet is there, so servers are given that one's id.
    return {"subnet": subnet.id, "firewall": firewall.id, "key": key.id, "spread": group.id, "zone": place}


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One server, its place in the network and its volumes."""
    made = hcloud.Server(
        **_named(plan, server.name, server, ignore_changes=_PINNED),
        server_type=server.size,
        location=server.location,
        image=server.image,
        user_data=pulumi.Output.secret(server.user_data.reveal()),
        ssh_keys=[shared["key"]],
        firewall_ids=[_number(shared["firewall"])],
        placement_group_id=_number(shared["spread"]) if server.role == "control-plane" else None,
    )
    number = _number(made.id)
    joined = hcloud.ServerNetwork(**_bare(server, f"{server.name}-network"), server_id=number, subnet_id=shared["subnet"])
    for volume in server.volumes:
        # Empty: the node itself makes the file system, as at all clouds.
        hcloud.Volume(**_named(plan, f"{server.name}-{volume.name}", server), size=volume.size, server_id=number, automount=False)
    return {"id": made.id, "address": made.ipv4_address, "private_address": joined.ip}


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443, passed on over the private network: no server's firewall needs a hole for it."""
    made = hcloud.LoadBalancer(**_named(plan, "api"), load_balancer_type="lb11", network_zone=shared["zone"])
    number = _number(made.id)
    joined = hcloud.LoadBalancerNetwork(**_bare(plan, "api-network"), load_balancer_id=number, subnet_id=shared["subnet"])
    ports = {"listen_port": 6443, "destination_port": 6443}
    hcloud.LoadBalancerService(**_bare(plan, "api-service"), load_balancer_id=made.id, protocol="tcp", **ports)
    for name, item in servers.items():
        target = {"type": "server", "server_id": _number(item["id"]), "use_private_ip": True}
        hcloud.LoadBalancerTarget(**_bare(plan, f"{name}-target", depends_on=[joined]), load_balancer_id=number, **target)
    return made.ipv4


def _rules(plan: CloudPlan) -> list[hcloud.FirewallRuleArgs]:
    """What may come in from the internet; a firewall of Hetzner refuses the rest. It does not filter the private network."""
    wanted = [
        # From anywhere: other clouds' nodes come and go. WireGuard answers only who has a key that it knows.
        ("mesh", "udp", _ANYWHERE, str(plan.mesh_port)),
        ("ping and path MTU", "icmp", _ANYWHERE, None),
        ("SSH", "tcp", plan.access_ssh, "22"),
        ("Kubernetes API", "tcp", plan.access_api, "6443"),
    ]
    return [
        hcloud.FirewallRuleArgs(direction="in", description=what, protocol=protocol, source_ips=[*sources], port=port)
        for what, protocol, sources, port in wanted
        if sources
    ]


def _number(value: Any) -> Any:
    return pulumi.Output.from_input(value).apply(int)


def _named(plan: CloudPlan, name: str, server: ServerPlan | None = None, **options: Any) -> dict[str, Any]:
    """Name, labels and options of a resource that can carry them."""
    labels = {LABELS.get(key, key): value for key, value in plan.tags(server.name if server else "").items()}
    return {**_bare(server or plan, name, **options), "name": plan.named(name), "labels": labels}


def _bare(owner: CloudPlan | ServerPlan, name: str, **options: Any) -> dict[str, Any]:
    return {"resource_name": name, "opts": pulumi.ResourceOptions(import_=owner.adopt.get(name), **options)}
