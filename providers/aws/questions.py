"""What sloth asks AWS: what is there of a cluster, and what the account can have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi_aws as aws

from sloth.api import CLUSTER_TAG, NODE_TAG, Catalogue, Cloud, ClusterSpec, Found, Machine, Quota, Size, Wanted, hardware, reached

# Type of an ARN -> kind, type token where its id is what the engine imports, whether it costs money.
_KINDS: dict[str, tuple[Any, str, bool]] = {
    "instance": ("server", "aws:ec2/instance:Instance", True),
    "volume": ("volume", "aws:ebs/volume:Volume", True),
    "elastic-ip": ("address", "aws:ec2/eip:Eip", True),
    "natgateway": ("gateway", "aws:ec2/natGateway:NatGateway", True),
    "loadbalancer": ("load balancer", "aws:lb/loadBalancer:LoadBalancer", True),
    "targetgroup": ("group", "aws:lb/targetGroup:TargetGroup", False),
    "vpc": ("network", "aws:ec2/vpc:Vpc", False),
    "subnet": ("subnet", "aws:ec2/subnet:Subnet", False),
    "security-group": ("firewall", "aws:ec2/securityGroup:SecurityGroup", False),
    "internet-gateway": ("gateway", "aws:ec2/internetGateway:InternetGateway", False),
    "route-table": ("router", "aws:ec2/routeTable:RouteTable", False),
    "placement-group": ("placement group", "aws:ec2/placementGroup:PlacementGroup", False),
    "key-pair": ("ssh key", "aws:ec2/keyPair:KeyPair", False),
}
_BY_NAME = ("placement-group", "key-pair")  # the engine imports these by their names, which sloth puts into the tag too
# Publishers of images, and how they name them.
_IMAGES = {
    **{f"debian-{number}": ("136693071363", f"debian-{number}-amd64-*") for number in (12, 13)},
    "ubuntu-22.04": ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*"),
    "ubuntu-24.04": ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"),
}


def survey(cloud: Cloud, spec: ClusterSpec) -> list[Found]:
    """All that is tagged, by sloth or by Kubernetes' controllers."""
    alive, found = _alive(spec.name), {}
    for key, values in ((CLUSTER_TAG, [spec.name]), (f"kubernetes.io/cluster/{spec.name}", ["owned"])):
        answer = aws.resourcegroupstaggingapi.get_resources(tag_filters=[{"key": key, "values": values}])
        for item in answer.resource_tag_mapping_lists:
            kind, ident = _split(item.resource_arn)
            if kind in _KINDS and ident in alive.get(kind, {ident}):
                found[ident] = _found(kind, ident, dict(item.tags or {}))
    vpc = next((item.id for item in found.values() if item.kind == "network"), "")
    servers = [item for item in found.values() if item.kind == "server"]
    machines = reached({item.id: _machine(cloud, item, vpc) for item in servers})
    return [replace(item, machine=machines.get(item.id)) for item in found.values()]


def account() -> str:
    """Number of the account."""
    return str(aws.get_caller_identity().account_id)


def _alive(cluster: str) -> dict[str, set[str]]:
    """What is really there, of kinds that cost money: the tagging service tells for an hour of what is gone."""
    ours, theirs = {CLUSTER_TAG: cluster}, {f"kubernetes.io/cluster/{cluster}": "owned"}
    running = ["pending", "running", "stopping", "stopped"]
    there = [{"name": "state", "values": ["pending", "available", "deleting"]}]
    return {
        "instance": {*aws.ec2.get_instances(instance_tags=ours, instance_state_names=running).ids},
        "volume": {*aws.ebs.get_ebs_volumes(tags=ours).ids, *aws.ebs.get_ebs_volumes(tags=theirs).ids},
        "natgateway": {*aws.ec2.get_nat_gateways(tags=ours, filters=there).ids},
    }


def _split(arn: str) -> tuple[str, str]:
    """Type and id of an ARN; of balancers the whole ARN is the id."""
    service, rest = arn.split(":", 5)[2::3]
    kind, _, ident = rest.partition("/")
    return kind, arn if service == "elasticloadbalancing" else ident


def _found(kind: str, ident: str, tags: dict[str, str]) -> Found:
    what, token, billable = _KINDS[kind]
    name = tags.get("Name", ident)
    ident = name if kind in _BY_NAME else ident
    return Found(kind=what, id=ident, name=name, node=tags.get(NODE_TAG, ""), token=token, costs=billable)


def _machine(cloud: Cloud, item: Found, vpc: str) -> Machine:
    told = aws.ec2.get_instance(instance_id=item.id)
    where = {"network": vpc, "region": told.availability_zone[:-1], "zone": told.availability_zone}
    runs = told.instance_state in ("pending", "running")
    return cloud.machine(item.node, item.id, address=told.public_ip, private=told.private_ip, running=runs, **where)


def catalogue(cloud: Cloud, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
    """Zones, what is wanted of sizes and images, and the quota of ordinary instances. AWS keeps its prices elsewhere."""
    zones: dict[str, set[str]] = {}
    if wanted.sizes:  # all of them would be many hundreds, with a question for each
        which = [{"name": "instance-type", "values": sorted({*wanted.sizes})}]
        offers = aws.ec2.get_instance_type_offerings(location_type="availability-zone", filters=which)
        for name, zone in zip(offers.instance_types, offers.locations, strict=True):
            zones.setdefault(name, set()).add(zone)
    limit = aws.servicequotas.get_service_quota(service_code="ec2", quota_code="L-1216C47A").value
    return Catalogue(
        locations=frozenset(aws.get_availability_zones(state="available").names),
        sizes={name: _size(name, places) for name, places in zones.items()},
        images={name: ident for name in wanted.images if (ident := _image(name))},
        currency="USD",
        quotas=(Quota(what="vCPUs", limit=limit),),
    )


def _size(name: str, zones: set[str]) -> Size:
    told = aws.ec2.get_instance_type(instance_type=name)
    return Size(
        name=name, cpus=told.default_vcpus, memory=told.memory_size, architecture=hardware(*told.supported_architectures),
        locations=frozenset(zones),
    )  # fmt: skip


def _image(name: str) -> str:
    """Id of the newest image of a name; "" for unknown names. An id stands for itself."""
    if name not in _IMAGES:
        return name if name.startswith("ami-") else ""
    owner, pattern = _IMAGES[name]
    return str(aws.ec2.get_ami(owners=[owner], most_recent=True, filters=[{"name": "name", "values": [pattern]}]).id)
