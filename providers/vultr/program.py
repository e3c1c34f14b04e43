"""What sloth declares at Vultr: pure functions from plan to resources of the typed SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

import ediri_vultr as vultr
import pulumi

from sloth.api import CloudPlan, ServerPlan, Shared

ANYWHERE = ("0.0.0.0/0", "::/0")
# Each of these counts only when a server is made, and would replace it when it changes.
ONCE = ["os_id", "user_data", "ssh_key_ids", "region"]


def network(plan: CloudPlan) -> Shared:
    """What all servers share."""
    cidr = ip_network(plan.network)
    vpc = vultr.Vpc(
        "network", description=plan.named("network"), region=_region(plan), v4_subnet=str(cidr.network_address),
        v4_subnet_mask=cidr.prefixlen, opts=_options(plan, "network"),
    )  # fmt: skip
    # A server with a firewall group gets only what the group's rules let in.
    group = vultr.FirewallGroup("firewall", description=plan.named("firewall"), opts=_options(plan, "firewall"))
    for name, rule in _rules(plan):
        vultr.FirewallRule(name, firewall_group_id=group.id, **rule, opts=_options(plan, name))
    key = vultr.SSHKey("ssh-key", name=plan.named("ssh-key"), ssh_key=plan.ssh_public_key, opts=_options(plan, "ssh-key"))
    return {"network": vpc.id, "firewall": group.id, "key": key.id}


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One instance and its volumes."""
    made = vultr.Instance(
        server.name,
        region=server.location,
        plan=server.size,
        os_id=int(server.image),
        label=plan.named(server.name),
        hostname=server.name,
        tags=[f"{key}:{value}" for key, value in plan.tags(server.name).items()],
        user_data=pulumi.Output.secret(server.user_data.reveal()),  # as it is: the engine's plugin does the base64
        ssh_key_ids=[shared["key"]],
        firewall_group_id=shared["firewall"],
        vpc_ids=[shared["network"]],
        enable_ipv6=False,
        activation_email=False,
        # A node that shall be replaced goes first: one name, one server, whatever a run that is cut off leaves.
        opts=_options(server, server.name, ignore_changes=ONCE, delete_before_replace=True),
    )
    for volume in server.volumes:
        disk = f"{server.name}-{volume.name}"
        vultr.BlockStorage(
            disk, label=plan.named(disk), region=server.location, size_gb=volume.size, attached_to_instance=made.id,
            block_type=plan.options.get("volumeType") or "high_perf",
            live=True,  # attached and detached without a restart of the server
            opts=_options(server, disk, ignore_changes=["block_type"]),
        )  # fmt: skip
    return {"id": made.id, "address": made.main_ip, "private_address": made.internal_ip}


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443, passed on inside the VPC, so that the servers' firewall needs no hole for it."""
    made = vultr.LoadBalancer(
        "balancer",
        label=plan.named("balancer"),
        region=_region(plan),
        vpc=shared["network"],
        forwarding_rules=[{"frontend_protocol": "tcp", "frontend_port": 6443, "backend_protocol": "tcp", "backend_port": 6443}],
        health_check={
            "protocol": "tcp", "port": 6443, "check_interval": 10, "response_timeout": 5,
            "unhealthy_threshold": 3, "healthy_threshold": 2,
        },
        firewall_rules=[{"port": 6443, "ip_type": _version(cidr), "source": cidr} for cidr in plan.access_api],
        attached_instances=[item["id"] for item in servers.values()],
        opts=_options(plan, "balancer"),
    )  # fmt: skip
    return made.ipv4


def _rules(plan: CloudPlan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rules by name. The name tells the content, so that another list of addresses touches only the rules that differ."""

    def rule(what: str, cidr: str, protocol: str, port: int | None = None) -> tuple[str, dict[str, Any]]:
        found = ip_network(cidr, strict=False)
        subnet = {"ip_type": _version(cidr), "subnet": str(found.network_address), "subnet_size": found.prefixlen}
        more = {"port": str(port)} if port else {}
        return f"firewall-{what}-{cidr.replace(':', '-')}", {"notes": what, "protocol": protocol, **subnet, **more}

    for cidr in ANYWHERE:
        # Nodes at other clouds, and later ones, have addresses that nobody knows yet. WireGuard answers only known keys.
        yield rule("mesh", cidr, "udp", plan.mesh_port)
        yield rule("icmp", cidr, "icmp")
    yield from (rule("ssh", cidr, "tcp", 22) for cidr in plan.access_ssh)
    yield from (rule("api", cidr, "tcp", 6443) for cidr in plan.access_api)


def _version(cidr: str) -> str:
    return f"v{ip_network(cidr, strict=False).version}"


def _region(plan: CloudPlan) -> str:
    """The cluster's one region (`check` saw that it is one): where its servers are, or where the provider's options say."""
    given = plan.options.get("location") or ""
    return next((server.location for server in plan.servers), given if isinstance(given, str) else given[0])


def _options(owner: CloudPlan | ServerPlan, name: str, **more: Any) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(import_=owner.adopt.get(name), **more)
