"""What sloth declares at an OpenStack cloud: pure functions from plan to resources of the typed SDK."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import pulumi
from pulumi_openstack import blockstorage, compute, loadbalancer, networking

from sloth.api import CloudPlan, ServerPlan, Shared, fitting, user_data

# Each of these counts only when a server is made, and would replace it when it changes.
ONCE = ["image_id", "block_devices", "user_data", "key_pair", "availability_zone", "scheduler_hints", "networks"]
_TAG = 60  # characters that the compute service allows in a tag


def tags(plan: CloudPlan, node: str = "") -> list[str]:
    """The cluster and the node. The user's labels are in the metadata of servers and volumes: their `/` is no part of a tag."""
    own = plan.tags(node)
    return [tag for key, value in own.items() if key not in plan.labels and len(tag := f"{key}:{value}") <= _TAG]


def metadata(plan: CloudPlan, node: str) -> dict[str, str]:
    """All tags, with what the compute service allows in a key."""
    return fitting(plan.tags(node), r"[^A-Za-z0-9_.: -]")


def network(plan: CloudPlan) -> Shared:
    """What all servers share."""
    outside = networking.get_network_output(external=True, name=plan.options.get("externalNetwork"))
    net = networking.Network(**_named(plan, "network"))
    servers = plan.options.get("dnsServers")
    subnet = networking.Subnet(
        **_named(plan, "subnet"), network_id=net.id, cidr=plan.network, ip_version=4, dns_nameservers=servers
    )
    # The router translates addresses for servers without a public one, and carries the public ones of the others.
    router = networking.Router(**_named(plan, "router"), external_network_id=outside.id)
    way = networking.RouterInterface("router-interface", router_id=router.id, subnet_id=subnet.id)
    # Key pairs are unique by name, so a new key needs the old one gone first. Servers get the name as a plain text: were it the
    # key's output, the engine would take that for a reason to replace them all. They wait for it through the firewall.
    first = pulumi.ResourceOptions(delete_before_replace=True)
    key = compute.Keypair(**plan.called("ssh-key"), public_key=plan.ssh_public_key, opts=first)
    # A group lets in only what its rules name, and everything out.
    group = networking.SecGroup(**_named(plan, "firewall"), opts=pulumi.ResourceOptions(depends_on=[key]))
    for name, rule in _rules(plan).items():
        networking.SecGroupRule(name, security_group_id=group.id, direction="ingress", **rule)
    apart = compute.ServerGroup(**plan.called("placement"), policies="soft-anti-affinity")
    # The subnet as the interface knows it: a public address is refused before the router is there.
    shared = {"network": net.id, "subnet": way.subnet_id, "firewall": group.id, "placement": apart.id, "outside": outside.name}
    return {**shared, "key": plan.named("ssh-key")}


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """One server, its port and public address, its volumes."""
    port = networking.Port(
        **_named(plan, f"{server.name}-port", server.name),
        network_id=shared["network"],
        fixed_ips=[{"subnet_id": shared["subnet"]}],
        security_group_ids=[shared["firewall"]],
    )
    about = metadata(plan, server.name)
    made = compute.Instance(
        **_named(plan, server.name, server.name),
        flavor_name=server.size,
        availability_zone=server.location,
        **_boot(plan, server),
        user_data=user_data(server),
        key_pair=shared["key"],
        networks=[{"port": port.id}],
        scheduler_hints=[{"group": shared["placement"]}] if server.role == "control-plane" else None,
        metadata=about,
        # A port serves one server at a time, so a node that shall be replaced goes first.
        opts=pulumi.ResourceOptions(ignore_changes=ONCE, delete_before_replace=True),
    )
    kind, pinned = plan.options.get("volumeType"), pulumi.ResourceOptions(ignore_changes=["volume_type"])
    for volume in server.volumes:
        disk = f"{server.name}-{volume.name}"
        held = blockstorage.Volume(**plan.called(disk), size=volume.size, volume_type=kind, metadata=about, opts=pinned)
        compute.VolumeAttach(f"{disk}-attachment", instance_id=made.id, volume_id=held.id)
    address = _address(plan, server.name, port.id, shared, server.name) if server.public else ""
    return {"id": made.id, "address": address, "private_address": port.all_fixed_ips[0]}


def _boot(plan: CloudPlan, server: ServerPlan) -> dict[str, Any]:
    if not (size := plan.options.get("rootDisk")):
        return {"image_id": server.image}
    disk = {"source_type": "image", "destination_type": "volume", "uuid": server.image, "boot_index": 0}
    more = {"volume_size": int(size.removesuffix("Gi")), "delete_on_termination": True}
    return {"block_devices": [{**disk, **more, "volume_type": plan.options.get("volumeType")}]}


def _address(plan: CloudPlan, part: str, port: Any, shared: Shared, node: str = "") -> Any:
    called = plan.called(f"{part}-address", "description")
    return networking.FloatingIp(**called, pool=shared["outside"], port_id=port, tags=tags(plan, node)).address


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """TCP 6443 with a public address."""
    subnet = shared["subnet"]
    made = loadbalancer.LoadBalancer(**_named(plan, "balancer"), vip_subnet_id=subnet)
    # An empty list would let in everybody; the address is of IPv4, and the list may hold nothing else.
    allowed = [cidr for door in plan.doors() if door.name == "api" for cidr in door.v4] or [plan.network]
    port = {"protocol": "TCP", "protocol_port": 6443, "allowed_cidrs": allowed}
    listener = loadbalancer.Listener(**_named(plan, "balancer-listener"), loadbalancer_id=made.id, **port)
    spread = {"protocol": "TCP", "lb_method": "ROUND_ROBIN"}
    pool = loadbalancer.Pool(**_named(plan, "balancer-pool"), listener_id=listener.id, **spread)
    times = {"delay": 10, "timeout": 5, "max_retries": 3}
    loadbalancer.Monitor(**plan.called("balancer-monitor"), pool_id=pool.id, type="TCP", **times)
    for node, item in servers.items():
        member = {"subnet_id": subnet, "address": item["private_address"], "protocol_port": 6443}
        loadbalancer.Member(**_named(plan, f"{node}-member", node), pool_id=pool.id, **member)
    return _address(plan, "balancer", made.vip_port_id, shared)


def _rules(plan: CloudPlan) -> dict[str, dict[str, Any]]:
    """Rules by name. The name tells the content, so that another list of addresses touches only the rules that differ."""
    found: dict[str, dict[str, Any]] = {}

    def rule(what: str, cidr: str, protocol: str, port: int | None = None) -> None:
        source = ip_network(cidr, strict=False)
        kind = "ipv6-icmp" if (protocol, source.version) == ("icmp", 6) else protocol
        ports = {"port_range_min": port, "port_range_max": port} if port else {}
        more = {"description": what, "ethertype": f"IPv{source.version}", "remote_ip_prefix": str(source), **ports}
        found[f"firewall-{what}-{str(source).replace(':', '-')}"] = {"protocol": kind, **more}

    for door in (*plan.doors(), *plan.inner_doors()):
        for cidr in door.sources:
            rule(door.name, cidr, door.protocol, door.port)
    return found


def _named(plan: CloudPlan, part: str, node: str = "") -> dict[str, Any]:
    """Names and tags of a resource that can carry them."""
    return {**plan.called(part), "tags": tags(plan, node)}
