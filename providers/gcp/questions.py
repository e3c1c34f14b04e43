"""What sloth asks Google Cloud: what is there of a cluster, and what the project can have."""

from __future__ import annotations

from functools import partial
from typing import Any

from pulumi_gcp import cloudasset, compute, organizations

from sloth.api import CLUSTER_TAG, Catalogue, Cloud, ClusterSpec, Found, Machine, Size, Wanted, answers, hardware, reached

_KINDS: dict[str, tuple[Any, str, str]] = {  # collection in a path -> kind, type token, function
    "instances": ("server", "instance:Instance", "get_instance"),
    "disks": ("volume", "disk:Disk", "get_disk"),
    "addresses": ("address", "address:Address", "get_address"),
    "forwardingRules": ("load balancer", "forwardingRule:ForwardingRule", "get_forwarding_rule"),
    "networks": ("network", "network:Network", "get_network"),
    "subnetworks": ("subnet", "subnetwork:Subnetwork", "get_subnetwork"),
    "routers": ("router", "router:Router", "get_router"),
    "resourcePolicies": ("placement group", "resourcePolicy:ResourcePolicy", "get_resource_policy"),
}
_TYPES = ("Instance", "Disk", "Address", "ForwardingRule")
# What there is one of, by its name: the search index is some minutes behind.
_ONCE = {
    "networks": "network", "subnetworks": "subnet", "routers": "router", "resourcePolicies": "spread",
    "forwardingRules": "balancer",
}  # fmt: skip
_IMAGES = {"ubuntu-24.04": "ubuntu-os-cloud/ubuntu-2404-lts-amd64", "ubuntu-22.04": "ubuntu-os-cloud/ubuntu-2204-lts"}
_ABSENT = "Error 404|notFound|not found"


def survey(cloud: Cloud, spec: ClusterSpec) -> list[Found]:
    """What the asset search finds, whose index is behind; so addresses, which every machine has, are listed besides."""
    project, label = organizations.get_client_config().project, f"labels.sloth-cluster={spec.name}"
    types = [f"compute.googleapis.com/{kind}" for kind in _TYPES]
    hits = cloudasset.get_search_all_resources(scope=f"projects/{project}", query=label, asset_types=types).results
    nodes = {_path(hit.name): (hit.labels or {}).get("sloth-node", "") for hit in hits}
    for region in dict.fromkeys(map(cloud.region, cloud.places(spec))):
        for item in compute.get_addresses(region=region, filter=label).addresses:
            node, zone = item.labels.get("sloth-node", ""), item.labels.get("sloth-zone")
            nodes[_path(item.self_link)] = node
            nodes |= {f"projects/{project}/zones/{zone}/instances/{spec.name}-{node}": node} if zone else {}
        for collection, part in _ONCE.items():
            place = "global" if collection == "networks" else f"regions/{region}"
            nodes.setdefault(f"projects/{project}/{place}/{collection}/{spec.name}-{part}", "")
    for path in [path for path in nodes if "/instances/" in path]:
        nodes.pop(path.replace("/instances/", "/disks/"), None)  # a boot disk comes and goes with its machine
    told = answers({path: _question(path, spec.name) for path in nodes}, _ABSENT)
    there = {path: item for path, item in told.items() if _ours(item, spec.name)}
    machines = {path: _machine(cloud, nodes[path], path, item) for path, item in there.items() if "/instances/" in path}
    ways = reached(machines)
    return [_found(path, nodes[path], ways.get(path)) for path in there]


def catalogue(cloud: Cloud, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
    """Zones of the regions in question, all machine types of the zones in question, images. No prices, no quotas."""
    regions = frozenset(compute.get_regions().names)
    near = sorted({cloud.region(zone) for zone in wanted.locations} & regions)
    lists = answers({region: partial(compute.get_zones, region=region) for region in near})
    zones = {zone for found in lists.values() for zone in found.names}
    types = {zone: partial(compute.get_machine_types, zone=zone) for zone in sorted(zones & set(wanted.locations))}
    sizes: dict[str, Size] = {}
    for zone, found in answers(types).items():
        for item in found.machine_types:
            places = sizes[item.name].locations if item.name in sizes else frozenset[str]()
            sizes[item.name] = _size(item, places | {zone})
    names = sorted({*_IMAGES, *wanted.images})
    told = answers({name: _image(_IMAGES.get(name, name)) for name in names}, _ABSENT)
    images = {name: _path(item.self_link) for name, item in told.items()}
    return Catalogue(locations=frozenset(zones) or regions, sizes=sizes or None, images=images)


def _machine(cloud: Cloud, node: str, path: str, item: Any) -> Machine:
    interface, zone = item.network_interfaces[0], path.split("/")[3]
    return cloud.machine(
        node,
        path,
        address=interface.access_configs[0].nat_ip if interface.access_configs else "",
        private=interface.network_ip,
        network=_path(interface.network),
        running=item.current_status in ("RUNNING", "STAGING", "PROVISIONING"),
        region=cloud.region(zone),
        zone=zone,
    )


def _found(path: str, node: str, machine: Machine | None) -> Found:
    collection, name = path.split("/")[-2:]
    kind, token, _ = _KINDS[collection]
    return Found(
        kind=kind, id=path, name=name, node=node, token=f"gcp:compute/{token}", machine=machine
    )  # fmt: skip


def _ours(item: Any, cluster: str) -> bool:
    """Names alone prove nothing. Of addresses the function tells neither labels nor description; they came from a list."""
    marks = (getattr(item, "labels", None) or {}).get("sloth-cluster"), getattr(item, "description", None)
    return hasattr(item, "address_type") or marks[0] == cluster or marks[1] == f"{CLUSTER_TAG}={cluster}"


def _question(path: str, cluster: str) -> Any:
    """Asks for the resource of a path such as `projects/P/zones/Z/instances/I` or `projects/P/global/networks/N`."""
    _, project, scope, *place, collection, name = path.split("/")
    where = {scope.removesuffix("s"): place[0]} if place else {}
    more = {"network": f"{cluster}-network"} if collection == "routers" else {}
    return partial(getattr(compute, _KINDS[collection][2]), name=name, project=project, **where, **more)


def _image(name: str) -> Any:
    """Asks for `PROJECT/FAMILY` (its newest) or `projects/PROJECT/global/images/NAME`."""
    if name.startswith("projects/"):
        return partial(compute.get_image, project=name.split("/")[1], name=name.rpartition("/")[2])
    project, _, family = name.partition("/")
    return partial(compute.get_image, project=project, family=family)


def _size(item: Any, places: frozenset[str]) -> Size:
    kind = hardware(item.architecture)
    return Size(name=item.name, cpus=item.guest_cpus, memory=item.memory_mb, architecture=kind, locations=places)


def _path(link: str) -> str:
    """`https://www.googleapis.com/compute/v1/projects/…` or `//compute.googleapis.com/projects/…` -> `projects/…`."""
    return link[link.find("projects/") :]
