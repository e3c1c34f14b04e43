"""What sloth declares at Vultr: pure functions from plan to resources of the typed SDK."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import ediri_vultr as vultr
import pulumi

from sloth.api import CloudPlan, Door, ServerPlan, Shared, user_data

# Each of these counts only when a server is made, and would replace it when it changes.
ONCE = ["os_id", "user_data", "ssh_key_ids", "region"]


def network(plan: CloudPlan) -> Shared:
    """What all servers share."""
    cidr = ip_network(plan.network)
    place = {"region": plan.location, "v4_subnet": str(cidr.network_address), "v4_subnet_mask": cidr.prefixlen}
    vpc = vultr.Vpc(**plan.called("network", "description"), **place)
    # A server with a firewall group gets only what the group's rules let in.
    group = vultr.FirewallGroup(**plan.called("firewall", "description"))
    for door in plan.doors():
        for source in door.sources:
            # The name tells the content, so that another list of addresses touches only the rules that differ.
            name = f"firewall-{door.name}-{source.replace(':', '-')}"
            vultr.FirewallRule(name, firewall_group_id=group.id, **_rule(door, source))
    key = vultr.SSHKey(**plan.called("ssh-key"), ssh_key=plan.ssh_public_key)
    return {"network": vpc.id, "firewall": group.id, "key": key.id}


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One instance and its volumes."""
    made = vultr.Instance(
        **plan.called(server.name, "label"),
        region=server.location,
        plan=server.size,
        os_id=int(server.image),
        hostname=server.name,
        tags=[f"{key}:{value}" for key, value in plan.tags(server.name).items()],
        user_data=user_data(server),  # as it is: the engine's plugin does the base64
        ssh_key_ids=[shared["key"]],
        firewall_group_id=shared["firewall"],
        vpc_ids=[shared["network"]],
        enable_ipv6=False,
        activation_email=False,
        # A node that shall be replaced goes first: one name, one server, whatever a run that is cut off leaves.
        opts=pulumi.ResourceOptions(ignore_changes=ONCE, delete_before_replace=True),
    )
    for volume in server.volumes:
        vultr.BlockStorage(
            **plan.called(f"{server.name}-{volume.name}", "label"), region=server.location, size_gb=volume.size,
            block_type=plan.options.get("volumeType") or "high_perf", attached_to_instance=made.id,
            live=True,  # attached and detached without a restart of the server
            opts=pulumi.ResourceOptions(ignore_changes=["block_type"]),
        )  # fmt: skip
    return {"id": made.id, "address": made.main_ip, "private_address": made.internal_ip}


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443, passed on inside the VPC, so that the servers' firewall needs no hole for it."""
    made = vultr.LoadBalancer(
        **plan.called("balancer", "label"),
        region=plan.location,
        vpc=shared["network"],
        forwarding_rules=[{"frontend_protocol": "tcp", "frontend_port": 6443, "backend_protocol": "tcp", "backend_port": 6443}],
        health_check={
            "protocol": "tcp", "port": 6443, "check_interval": 10, "response_timeout": 5,
            "unhealthy_threshold": 3, "healthy_threshold": 2,
        },
        firewall_rules=[{"port": 6443, "ip_type": _version(cidr), "source": cidr} for cidr in plan.access_api],
        attached_instances=[item["id"] for item in servers.values()],
    )  # fmt: skip
    return made.ipv4


def _rule(door: Door, cidr: str) -> dict[str, Any]:
    found = ip_network(cidr, strict=False)
    subnet = {"ip_type": _version(cidr), "subnet": str(found.network_address), "subnet_size": found.prefixlen}
    return {"notes": door.name, "protocol": door.protocol, **subnet, **({"port": str(door.port)} if door.port else {})}


def _version(cidr: str) -> str:
    return f"v{ip_network(cidr, strict=False).version}"
