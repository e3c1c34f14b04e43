"""What sloth declares at an OpenStack cloud: pure functions from plan to resources of the typed SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import pulumi
from pulumi_openstack import blockstorage, compute, loadbalancer, networking

from sloth.api import CloudPlan, ServerPlan, Shared

ANYWHERE = ("0.0.0.0/0", "::/0")
# Each of these counts only when a server is made, and would replace it when it changes.
ONCE = ["image_id", "block_devices", "user_data", "key_pair", "availability_zone", "scheduler_hints", "networks"]
_TAG = 60  # characters that the compute service allows in a tag


def tags(plan: CloudPlan, node: str = "") -> list[str]:
    """The cluster and the node. The user's labels are in the metadata of servers and volumes: their `/` is no part of a tag."""
    own = plan.tags(node)
    return [tag for key, value in own.items() if key not in plan.labels and len(tag := f"{key}:{value}") <= _TAG]


def metadata(plan: CloudPlan, node: str) -> dict[str, str]:
    """All tags, with what the compute service allows in a key."""
    return {re.sub(r"[^A-Za-z0-9_.: -]", "_", key): value for key, value in plan.tags(node).items()}


def network(plan: CloudPlan) -> Shared:
    """What all servers share."""
    outside = networking.get_network_output(external=True, name=plan.options.get("externalNetwork"))
    net = networking.Network("network", name=plan.named("network"), tags=tags(plan), opts=_options(plan, "network"))
    subnet = networking.Subnet(
        "subnet", name=plan.named("subnet"), network_id=net.id, cidr=plan.network, ip_version=4,
        dns_nameservers=plan.options.get("dnsServers"), tags=tags(plan), opts=_options(plan, "subnet"),
    )  # fmt: skip
    # The router translates addresses for servers without a public one, and carries the public ones of the others.
    router = networking.Router(
        "router", name=plan.named("router"), external_network_id=outside.id, tags=tags(plan), opts=_options(plan, "router")
    )
    way = networking.RouterInterface(
        "router-interface", router_id=router.id, subnet_id=subnet.id, opts=_options(plan, "router-interface")
    )
    # Key pairs are unique by name, so a new key needs the old one gone first. Servers get the name as a plain text: were it the
    # key's output, the engine would take that for a reason to replace them all. They wait for it through the firewall.
    key = compute.Keypair(
        "ssh-key", name=plan.named("ssh-key"), public_key=plan.ssh_public_key,
        opts=_options(plan, "ssh-key", delete_before_replace=True),
    )  # fmt: skip
    # A group lets in only what its rules name, and everything out.
    group = networking.SecGroup(
        "firewall", name=plan.named("firewall"), tags=tags(plan), opts=_options(plan, "firewall", depends_on=[key])
    )
    for name, rule in _rules(plan).items():
        networking.SecGroupRule(name, security_group_id=group.id, direction="ingress", **rule, opts=_options(plan, name))
    apart = compute.ServerGroup(
        "placement", name=plan.named("placement"), policies="soft-anti-affinity", opts=_options(plan, "placement")
    )
    # The subnet as the interface knows it: a public address is refused before the router is there.
    shared = {"network": net.id, "subnet": way.subnet_id, "firewall": group.id, "placement": apart.id, "outside": outside.name}
    return {**shared, "key": plan.named("ssh-key")}


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One server, its port and public address, its volumes."""
    port = networking.Port(
        f"{server.name}-port", name=plan.named(f"{server.name}-port"), network_id=shared["network"],
        fixed_ips=[{"subnet_id": shared["subnet"]}], security_group_ids=[shared["firewall"]],
        tags=tags(plan, server.name), opts=_options(server, f"{server.name}-port"),
    )  # fmt: skip
    made = compute.Instance(
        server.name,
        name=plan.named(server.name),
        flavor_name=server.size,
        availability_zone=server.location,
        **_boot(plan, server),
        user_data=pulumi.Output.secret(server.user_data.reveal()),
        key_pair=shared["key"],
        networks=[{"port": port.id}],
        scheduler_hints=[{"group": shared["placement"]}] if server.role == "control-plane" else None,
        metadata=metadata(plan, server.name),
        tags=tags(plan, server.name),
        # A port serves one server at a time, so a node that shall be replaced goes first.
        opts=_options(server, server.name, ignore_changes=ONCE, delete_before_replace=True),
    )
    for volume in server.volumes:
        disk, hold = f"{server.name}-{volume.name}", f"{server.name}-{volume.name}-attachment"
        held = blockstorage.Volume(
            disk, name=plan.named(disk), size=volume.size, volume_type=plan.options.get("volumeType"),
            metadata=metadata(plan, server.name), opts=_options(server, disk, ignore_changes=["volume_type"]),
        )  # fmt: skip
        compute.VolumeAttach(hold, instance_id=made.id, volume_id=held.id, opts=_options(server, hold))
    address = _address(plan, server, server.name, port.id, shared) if server.public else ""
    return {"id": made.id, "address": address, "private_address": port.all_fixed_ips[0]}


def _boot(plan: CloudPlan, server: ServerPlan) -> dict[str, Any]:
    if not (size := plan.options.get("rootDisk")):
        return {"image_id": server.image}
    disk = {"source_type": "image", "destination_type": "volume", "uuid": server.image, "boot_index": 0}
    more = {"volume_size": int(size.removesuffix("Gi")), "delete_on_termination": True}
    return {"block_devices": [{**disk, **more, "volume_type": plan.options.get("volumeType")}]}


def _address(plan: CloudPlan, owner: CloudPlan | ServerPlan, part: str, port: Any, shared: Shared) -> Any:
    name, node = f"{part}-address", part if owner is not plan else ""
    return networking.FloatingIp(
        name,
        pool=shared["outside"],
        port_id=port,
        description=plan.named(name),
        tags=tags(plan, node),
        opts=_options(owner, name),
    ).address


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443 with a public address."""
    api, ours = "balancer", tags(plan)
    made = loadbalancer.LoadBalancer(
        api, name=plan.named(api), vip_subnet_id=shared["subnet"], tags=ours, opts=_options(plan, api)
    )  # fmt: skip
    # An empty list would let in everybody; the address is of IPv4, and the list may hold nothing else.
    allowed = [cidr for cidr in plan.access_api if ":" not in cidr] or [plan.network]
    part = f"{api}-listener"
    listener = loadbalancer.Listener(
        part, name=plan.named(part), loadbalancer_id=made.id, protocol="TCP", protocol_port=6443, allowed_cidrs=allowed,
        tags=ours, opts=_options(plan, part),
    )  # fmt: skip
    part = f"{api}-pool"
    pool = loadbalancer.Pool(
        part, name=plan.named(part), listener_id=listener.id, protocol="TCP", lb_method="ROUND_ROBIN",
        tags=ours, opts=_options(plan, part),
    )  # fmt: skip
    part = f"{api}-monitor"
    loadbalancer.Monitor(
        part, name=plan.named(part), pool_id=pool.id, type="TCP", delay=10, timeout=5, max_retries=3, opts=_options(plan, part)
    )  # fmt: skip
    for node, item in servers.items():
        part = f"{node}-member"
        loadbalancer.Member(
            part, name=plan.named(part), pool_id=pool.id, subnet_id=shared["subnet"], address=item["private_address"],
            protocol_port=6443, tags=tags(plan, node), opts=_options(plan, part),
        )  # fmt: skip
    return _address(plan, plan, api, made.vip_port_id, shared)


def _rules(plan: CloudPlan) -> dict[str, dict[str, Any]]:
    """Rules by name. The name tells the content, so that another list of addresses touches only the rules that differ."""
    found: dict[str, dict[str, Any]] = {}

    def rule(what: str, cidr: str, protocol: str, port: int | None = None) -> None:
        source = ip_network(cidr, strict=False)
        kind = "ipv6-icmp" if (protocol, source.version) == ("icmp", 6) else protocol
        ports = {"port_range_min": port, "port_range_max": port} if port else {}
        more = {"description": what, "ethertype": f"IPv{source.version}", "remote_ip_prefix": str(source), **ports}
        found[f"firewall-{what}-{str(source).replace(':', '-')}"] = {"protocol": kind, **more}

    for cidr in ANYWHERE:
        # Nodes at other clouds, and later ones, have addresses that nobody knows yet. WireGuard answers only known keys.
        rule("mesh", cidr, "udp", plan.mesh_port)
        rule("icmp", cidr, "icmp")
    for cidr in (*plan.access_ssh, *((plan.network,) if plan.private else ())):  # private servers: through a public one
        rule("ssh", cidr, "tcp", 22)
    for cidr in (*plan.access_api, *((plan.network,) if plan.balance else ())):  # the balancer works from inside the network
        rule("api", cidr, "tcp", 6443)
    return found


def _options(owner: CloudPlan | ServerPlan, name: str, **more: Any) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(import_=owner.adopt.get(name), **more)
