"""What sloth declares at Google Cloud: from plan to resources of the typed SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_gcp import compute

from sloth.api import CLUSTER_TAG, CloudPlan, ServerPlan, Shared, user_data

from . import PLUGIN

_PROBERS = ["35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"]  # health checks of passthrough balancers, says Google
_SPOT = {
    "provisioning_model": "SPOT", "preemptible": True, "automatic_restart": False, "on_host_maintenance": "TERMINATE",
    "instance_termination_action": "DELETE",  # the next `sloth up` makes it anew; one that is only stopped would stay away
}  # fmt: skip
# Cloud NAT serves those machines that have no address of their own.
_ALL = {"nat_ip_allocate_option": "AUTO_ONLY", "source_subnetwork_ip_ranges_to_nat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}
# A newer image or other user data replaces nothing. Metadata is sealed whole, as it comes back with the user data inside.
_PINNED = ["bootDisk.initializeParams.image", 'metadata["user-data"]']
# No service account on machines: nothing that runs there gets a token from the metadata service. Keys of the project and
# OS Login stay out, so that no key but sloth's opens a machine.
_CLOSED = {"block-project-ssh-keys": "true", "enable-oslogin": "false", "serial-port-enable": "false"}


def network(plan: CloudPlan) -> Shared:
    """VPC, subnet, firewall rules, placement policy; Cloud NAT for private nodes."""
    tag = _tag(plan)
    net = compute.Network(**plan.called("network"), **tag, auto_create_subnetworks=False).id
    place = {"region": PLUGIN.region(plan.location), **tag}
    subnet = compute.Subnetwork(
        **plan.called("subnet"), network=net, ip_cidr_range=plan.network, private_ip_google_access=True, **place
    )
    # A VPC refuses by itself what no rule lets in. The subnet has IPv4 only: IPv6 sources cannot occur.
    for door in plan.doors():
        if door.port and door.v4:
            _allow(plan, door.name, net, door.port, door.v4, protocol=door.protocol)
    # The most domains that there are: control planes stand on different hardware.
    spread = compute.ResourcePolicy(**plan.called("spread"), group_placement_policy={"availability_domain_count": 8}, **place)
    shared = {"network": net, "subnet": subnet.id, "spread": spread.id}
    if plan.private:
        _allow(plan, "jump", net, 22, [plan.network])  # private nodes are reached through public ones
        router = compute.Router(**plan.called("router"), network=net, **place)
        nat = compute.RouterNat(**plan.called("nat"), region=place["region"], router=router.name, **_ALL)
        # Private machines come after their way out: the first thing that they do is to install packages.
        shared["private"] = pulumi.Output.all(subnet.id, nat.id).apply(lambda both: both[0])
    return shared


def server(plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
    """An instance with a fixed address (one that came and went would leave peers behind) and its volumes."""
    tags = labels(plan, server.name)
    like = {"type": plan.options.get("diskType", "pd-balanced"), "labels": tags}
    subnet = shared["subnet" if server.public else "private"]
    inside = {} if server.public else {"address_type": "INTERNAL", "subnetwork": subnet}
    address = compute.Address(
        **plan.called(f"{server.name}-address"),
        region=PLUGIN.region(plan.location),
        labels={**tags, "sloth-zone": server.location},  # the survey finds machines by their addresses
        **inside,
    ).address
    disks = [
        compute.Disk(**plan.called(f"{server.name}-{volume.name}"), zone=server.location, size=volume.size, **like)
        for volume in server.volumes
    ]
    plug = {"access_configs": [{"nat_ip": address}]} if server.public else {"network_ip": address}
    machine = compute.Instance(
        **plan.called(server.name),
        zone=server.location,
        machine_type=server.size,
        labels=tags,
        boot_disk={"initialize_params": {"image": server.image, "size": plan.options.get("diskSize", 40), **like}},
        attached_disks=[{"source": disk.id, "device_name": disk.name} for disk in disks],
        network_interfaces=[{"subnetwork": subnet, **plug}],
        metadata={**_CLOSED, "user-data": user_data(server)},
        resource_policies=shared["spread"] if server.role == "control-plane" else None,
        scheduling=_SPOT if server.spot else None,
        opts=pulumi.ResourceOptions(ignore_changes=_PINNED, additional_secret_outputs=["metadata"]),
    )
    private = machine.network_interfaces[0].network_ip
    return {"id": machine.id, "address": address if server.public else "", "private_address": private}


def balancer(plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
    """A passthrough balancer: packets keep the client's address, so the firewall's rule for the API still decides."""
    net, where = shared["network"], {"region": PLUGIN.region(plan.location)}
    members: dict[str, list[Any]] = {}
    for item in plan.servers:
        if item.name in plan.balance:
            members.setdefault(item.location, []).append(servers[item.name]["id"])
    _allow(plan, "balancer-probe", net, 6443, _PROBERS)
    groups = [
        compute.InstanceGroup(**plan.called(f"balancer-{zone}"), zone=zone, network=net, instances=ids)
        for zone, ids in sorted(members.items())
    ]
    check = compute.RegionHealthCheck(
        **plan.called("balancer-check"), tcp_health_check={"port": 6443}, check_interval_sec=5, **where
    )
    service = compute.RegionBackendService(
        **plan.called("balancer-service"),
        protocol="TCP",
        health_checks=check.id,
        backends=[{"group": group.self_link, "balancing_mode": "CONNECTION"} for group in groups],
        load_balancing_scheme="EXTERNAL",
        **where,
    )
    address = compute.Address(**plan.called("balancer-address"), labels=labels(plan), **where).address
    compute.ForwardingRule(
        **plan.called("balancer"),
        backend_service=service.id,
        load_balancing_scheme="EXTERNAL",
        ip_protocol="TCP",
        ports=["6443"],
        ip_address=address,
        labels=labels(plan),
        **where,
    )
    return address


def _tag(plan: CloudPlan) -> dict[str, Any]:
    """What carries no labels has the tag as its description."""
    return {"description": f"{CLUSTER_TAG}={plan.cluster}"}


def _allow(plan: CloudPlan, part: str, net: Any, port: int, sources: list[str], *, protocol: str = "tcp") -> None:
    allows = [{"protocol": protocol, "ports": [str(port)]}]
    compute.Firewall(**plan.called(part), **_tag(plan), network=net, allows=allows, source_ranges=sources)


def labels(plan: CloudPlan, node: str = "") -> dict[str, str]:
    """The plan's tags as labels: lower-case letters, digits, `_` and `-`, at most 63; a key begins with a letter."""
    words = {_word(key).lstrip("0123456789_-"): _word(value) for key, value in plan.tags(node).items()}
    return {key: value for key, value in words.items() if key}


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]
