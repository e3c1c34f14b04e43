"""A fake of Google Cloud: one project, Compute Engine and the asset search."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.clouds.fakes import base, zones
from tests.clouds.fakes.rules import Item, Ref, Refused, Rules

RECORD = "gcp:dns/recordSet:RecordSet"
PROJECT = "shop-project-1"
_C = "gcp:compute/"
NETWORK, SUBNET = f"{_C}network:Network", f"{_C}subnetwork:Subnetwork"
FIREWALL, POLICY = f"{_C}firewall:Firewall", f"{_C}resourcePolicy:ResourcePolicy"
ROUTER, NAT = f"{_C}router:Router", f"{_C}routerNat:RouterNat"
INSTANCE, DISK, ADDRESS = f"{_C}instance:Instance", f"{_C}disk:Disk", f"{_C}address:Address"
GROUP, HEALTH = f"{_C}instanceGroup:InstanceGroup", f"{_C}regionHealthCheck:RegionHealthCheck"
BACKEND, RULE = f"{_C}regionBackendService:RegionBackendService", f"{_C}forwardingRule:ForwardingRule"

COLLECTIONS = {
    NETWORK: "networks", SUBNET: "subnetworks", FIREWALL: "firewalls", POLICY: "resourcePolicies", ROUTER: "routers",
    INSTANCE: "instances", DISK: "disks", ADDRESS: "addresses", GROUP: "instanceGroups", HEALTH: "healthChecks",
    BACKEND: "backendServices", RULE: "forwardingRules",
}  # fmt: skip
ZONES = {
    "europe-west3": ("europe-west3-a", "europe-west3-b", "europe-west3-c"),
    "us-east1": ("us-east1-b", "us-east1-c", "us-east1-d"),
}
TYPES = {"e2-standard-2": ("X86_64", 2, 8192), "e2-standard-4": ("X86_64", 4, 16384), "c4a-standard-2": ("ARM64", 2, 8192)}
ELSEWHERE = {"c4a-standard-2": "europe-west3-a"}  # types that only one zone has
FAMILIES = {
    ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"): "ubuntu-2404-noble-amd64-v20260101",
    ("ubuntu-os-cloud", "ubuntu-2204-lts"): "ubuntu-2204-jammy-v20260101",
}
IMAGES = {f"projects/{project}/global/images/{image}" for (project, _), image in FAMILIES.items()}
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_LINK = "https://www.googleapis.com/compute/v1/"


def _place(inputs: Mapping[str, Any]) -> str:
    """The part of a path that says where."""
    if zone := inputs.get("zone"):
        return f"zones/{zone}"
    return f"regions/{inputs['region']}" if inputs.get("region") else "global"


def _id(fake: Fake, item: Item) -> str:
    return f"projects/{PROJECT}/{_place(item.inputs)}/{COLLECTIONS[item.token]}/{item.inputs['name']}"


def _linked(more: Callable[[Fake, Item], Mapping[str, Any]] | None = None) -> Callable[[Fake, Item], Mapping[str, Any]]:
    return lambda fake, item: {"selfLink": _LINK + _id(fake, item), "project": PROJECT, **(more(fake, item) if more else {})}


def _new_address(fake: Fake, item: Item) -> str:
    subnet = next((other for other in fake.all(SUBNET) if other.id == item.inputs.get("subnetwork")), None)
    if (item.inputs.get("addressType") == "INTERNAL") != bool(subnet):
        raise Refused("googleapi: Error 400: an internal address is of a subnetwork, an external one of none, invalid")
    return fake.address(subnet["ipCidrRange"]) if subnet else fake.address()


def _instance(fake: Fake, item: Item) -> dict[str, Any]:
    interfaces = []
    for given in item.inputs["networkInterfaces"]:
        subnet = next(other for other in fake.all(SUBNET) if other.id == given["subnetwork"])
        own = {
            "networkIp": given.get("networkIp") or fake.address(subnet["ipCidrRange"]),
            "network": _LINK + subnet["network"],
            "name": "nic0",
        }
        interfaces.append({**given, **own})
    return {"networkInterfaces": interfaces, "currentStatus": "RUNNING", "instanceId": str(fake.number())}


def _named(fake: Fake, item: Item) -> str:
    """Rules for names and labels, and that zones are in the region of what they use."""
    name, labels = str(item.inputs["name"]), item.inputs.get("labels") or {}
    if not _NAME.fullmatch(name):
        return f"googleapi: Error 400: Invalid value for field 'resource.name': '{name}', invalid"
    for key, value in labels.items():
        if not key[:1].isalpha() or not _LABEL.fullmatch(key) or not _LABEL.fullmatch(value):
            return f"googleapi: Error 400: Invalid value for field 'resource.labels': '{key}={value}', invalid"
    twins = [other for other in fake.all(item.token) if other.id != item.id and other["name"] == name]
    if any(_place(other.inputs) == _place(item.inputs) for other in twins):
        return fake.texts["conflict"].format(what=_id(fake, item))
    return ""


def _machine(fake: Fake, item: Item) -> str:
    zone, scheduling = item.inputs["zone"], item.inputs.get("scheduling") or {}
    for given in item.inputs["networkInterfaces"]:
        subnet = next(other for other in fake.all(SUBNET) if other.id == given["subnetwork"])
        if subnet["region"] != zone.rpartition("-")[0]:
            return f"googleapi: Error 400: subnetwork {subnet['name']} is not in the region of zone {zone}, invalid"
    for disk in item.inputs.get("attachedDisks") or ():
        if f"/zones/{zone}/" not in disk["source"]:
            return f"googleapi: Error 400: disk {disk['source']} is not in zone {zone}, invalid"
    spot = scheduling.get("provisioningModel") == "SPOT"
    if spot and (not scheduling.get("preemptible") or scheduling.get("automaticRestart", True)):
        return "googleapi: Error 400: Spot VMs are preemptible and do not restart automatically, invalid"
    only = ELSEWHERE.get(item.inputs["machineType"], zone)
    if only != zone:
        return fake.texts["not-found"].format(what=f"zones/{zone}/machineTypes/{item.inputs['machineType']}")
    return _named(fake, item)


def _families(fake: Fake, item: Item) -> str:
    ranges = item.inputs.get("sourceRanges") or []
    if not ranges:
        return "googleapi: Error 400: a rule without sources lets everybody in, invalid"
    if len({":" in cidr for cidr in ranges}) > 1:
        return "googleapi: Error 400: source ranges must be of one IP version, invalid"
    return _named(fake, item)


def _short(item: Item) -> str:
    return f"{item.inputs['region']}/{item.inputs['name']}"


def _made(*replaces: str, **more: Any) -> Rules:
    """What all kinds have in common."""
    common: dict[str, Any] = {"id": _id, "outputs": _linked(), "checks": _named, "known": {}}
    places = {name: name for name in ("zone", "region") if name in replaces}
    return Rules(replaces=frozenset({"name", *replaces}), **{**common, **more, "known": {**places, **more.get("known", {})}})


class Fake(base.Fake):
    """Kinds, catalogues and functions of Google Cloud. With `lagging`, the asset search has only what was deleted since."""

    plugin = "gcp"
    image = min(IMAGES)
    credential = ("credentials",)
    catalogues = {
        "dns zone": frozenset({zones.ZONE_ID}),
        "zone": frozenset(zone for names in ZONES.values() for zone in names),
        "region": frozenset(ZONES),
        "machine_type": frozenset(TYPES),
        "image": frozenset(IMAGES),
        "disk_type": frozenset({"pd-balanced", "pd-ssd", "pd-standard"}),
    }
    texts = {
        **base.Fake.texts,
        "credentials": 'oauth2: "invalid_grant" "Invalid JWT Signature."',
        "quota": "googleapi: Error 403: Quota 'INSTANCES' exceeded. Limit: 3.0 in region europe-west3., quotaExceeded",
        "capacity": "googleapi: Error 503: The zone '{location}' does not have enough resources available for {size}.",
        "rate-limit": "googleapi: Error 403: Quota per minute exceeded, retry in {seconds}, rateLimitExceeded",
        "in-use": "googleapi: Error 400: The {what} resource is already being used by '{by}', resourceInUseByAnotherResource",
        "not-found": "googleapi: Error 404: The resource '{what}' was not found, notFound",
        "conflict": "googleapi: Error 409: The resource '{what}' already exists, alreadyExists",
    }
    rules = {
        RECORD: zones.record_set("managedZone", "name", "type", ident="{managedZone}/{name}/{type}"),
        NETWORK: _made("autoCreateSubnetworks", "description"),
        SUBNET: _made("region", "ipCidrRange", "network", "description", refs={"network": Ref(token=NETWORK)}),
        FIREWALL: _made("network", refs={"network": Ref(token=NETWORK)}, checks=_families),
        POLICY: _made("region", "groupPlacementPolicy", "description"),
        ROUTER: _made("region", "network", refs={"network": Ref(token=NETWORK)}),
        NAT: _made(
            "region", "router", refs={"router": Ref(token=ROUTER, by="name", holds=False)}, outputs=None, checks=None,
            id=lambda fake, item: f"{PROJECT}/{item.inputs['region']}/{item.inputs['router']}/{item.inputs['name']}",
            alias=lambda item: item.id.removeprefix(f"{PROJECT}/"),
        ),
        ADDRESS: _made(
            "region", "addressType", "subnetwork",
            refs={"subnetwork": Ref(token=SUBNET)}, outputs=_linked(lambda fake, item: {"address": _new_address(fake, item)}),
        ),
        DISK: _made("zone", "type", known={"type": "disk_type"}, outputs=_linked(lambda fake, item: {"users": []})),
        INSTANCE: _made(
            "zone", "bootDisk",
            server=True, location="zone", size="machineType", user_data="metadata.user-data",
            known={
                "machineType": "machine_type",
                "bootDisk.initializeParams.image": "image",
                "bootDisk.initializeParams.type": "disk_type",
            },
            refs={
                "networkInterfaces[].subnetwork": Ref(token=SUBNET),
                "networkInterfaces[].accessConfigs[].natIp": Ref(token=ADDRESS, by="address"),
                "networkInterfaces[].networkIp": Ref(token=ADDRESS, by="address"),
                "attachedDisks[].source": Ref(token=DISK),
                "resourcePolicies": Ref(token=POLICY),
            },
            checks=_machine, outputs=_linked(_instance),
        ),
        # A machine that goes leaves its groups by itself.
        GROUP: _made("zone", "network", refs={"network": Ref(token=NETWORK), "instances[]": Ref(token=INSTANCE, holds=False)}),
        HEALTH: _made("region", alias=_short),
        BACKEND: _made(
            "region", "loadBalancingScheme",
            refs={"backends[].group": Ref(token=GROUP, by="selfLink"), "healthChecks": Ref(token=HEALTH)}, alias=_short,
        ),
        RULE: _made(
            "region", "ipAddress", "ports", "ipProtocol", "loadBalancingScheme",
            refs={"ipAddress": Ref(token=ADDRESS, by="address"), "backendService": Ref(token=BACKEND)},
        ),
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.lagging = False
        self._gone: list[Item] = []

    def update(self, token: str, ident: str, inputs: dict[str, Any]) -> Item:
        """A machine keeps its addresses, and changes its type only when it may be stopped."""
        before = self.items.get((token, ident))
        if before and token == INSTANCE and before["machineType"] != inputs["machineType"]:
            raise Refused("Changing the machine_type of a started instance requires stopping it: allow_stopping_for_update")
        item = super().update(token, ident, inputs)
        if before and token == INSTANCE:
            item.outputs["networkInterfaces"] = before.outputs["networkInterfaces"]
        return item

    def delete(self, token: str, ident: str) -> None:
        """What is deleted stays in a search index that is behind."""
        item = self.items.get((token, ident))
        super().delete(token, ident)
        if item and self.lagging:
            self._gone.append(item)

    def _search(self, args: Mapping[str, Any]) -> dict[str, Any]:
        key, value = self._label(args)
        if args["scope"] != f"projects/{PROJECT}":
            raise Refused(f"googleapi: Error 403: Permission denied on {args['scope']}, forbidden")
        hits = [
            _hit(item, kind, ident)
            for item, kind, ident in self._indexed()
            if f"compute.googleapis.com/{kind}" in args["assetTypes"] and item.get("labels", {}).get(key) == value
        ]
        return {"results": hits}

    def _label(self, args: Mapping[str, Any]) -> tuple[str, str]:
        """A filter or query of the form `labels.KEY=VALUE`; the fake knows no other."""
        text = args.get("query") or args.get("filter") or ""
        found = re.fullmatch(r"labels\.([a-z0-9_-]+)=([a-z0-9_-]+)", text)
        if found is None:
            raise Refused(f"googleapi: Error 400: Invalid query {text!r}, badRequest")
        return found[1], found[2]

    def _addresses(self, args: Mapping[str, Any]) -> dict[str, Any]:
        key, value = self._label(args)
        rows = [
            item for item in self.all(ADDRESS) if item["region"] == args["region"] and item.get("labels", {}).get(key) == value
        ]
        return {"addresses": [{name: item[name] for name in ("name", "labels", "address", "selfLink")} for item in rows]}

    def _indexed(self) -> Iterator[tuple[Item, str, str]]:
        items = [*self._gone] if self.lagging else [*self.items.values()]
        for item in items:
            if item.token in COLLECTIONS:
                yield item, item.token.rpartition(":")[2], item.id
            if item.token == INSTANCE:  # its boot disk has its name and its labels
                yield item, "Disk", item.id.replace("/instances/", "/disks/")

    def _one(self, token: str, args: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        for item in self.all(token):
            if all(args.get(name) in (None, item[name]) for name in ("name", "zone", "region", "project")):
                return {"id": item.id, "selfLink": item["selfLink"], **{name: item[name] for name in names}}
        raise self.refuse("not-found", what=f"projects/{PROJECT}/{_place(args)}/{COLLECTIONS[token]}/{args['name']}")

    def _image(self, args: Mapping[str, Any]) -> dict[str, Any]:
        for (project, family), image in FAMILIES.items():
            if project == args.get("project") and (family == args.get("family") or image == args.get("name")):
                path = f"projects/{project}/global/images/{image}"
                return {"id": path, "selfLink": _LINK + path, "name": image}
        raise self.refuse("not-found", what=f"projects/{args.get('project')}/global/images/{args.get('family')}")

    def _types(self, args: Mapping[str, Any]) -> dict[str, Any]:
        zone = args["zone"]
        return {
            "machineTypes": [
                {"name": name, "architecture": kind, "guestCpus": cpus, "memoryMb": memory}
                for name, (kind, cpus, memory) in TYPES.items()
                if ELSEWHERE.get(name, zone) == zone
            ]
        }

    def _zones(self, args: Mapping[str, Any]) -> dict[str, Any]:
        usual = {"description": "", "managedZoneId": 1, "nameServers": [], "dnsName": f"{zones.ZONE}."}
        private = {**usual, "id": "inside", "name": "inside", "visibility": "private"}
        return {"managedZones": [private, {**usual, "id": zones.ZONE_ID, "name": zones.ZONE_ID, "visibility": "public"}]}

    def _record_sets(self, args: Mapping[str, Any]) -> dict[str, Any]:
        mine = [item for item in self.all(RECORD) if item["name"] == args["name"] and item["managedZone"] == args["managedZone"]]
        return {"rrsets": [{name: item[name] for name in ("name", "type", "ttl", "rrdatas")} for item in mine]}

    functions = {
        "gcp:dns/getManagedZones:getManagedZones": _zones,
        "gcp:dns/getRecordSets:getRecordSets": _record_sets,
        "gcp:cloudasset/getSearchAllResources:getSearchAllResources": _search,
        "gcp:compute/getInstance:getInstance": lambda fake, args: fake._one(
            INSTANCE, args, ("name", "zone", "labels", "networkInterfaces", "currentStatus")
        ),
        "gcp:compute/getDisk:getDisk": lambda fake, args: fake._one(DISK, args, ("name", "zone", "labels")),
        "gcp:compute/getAddress:getAddress": lambda fake, args: fake._one(ADDRESS, args, ("name", "address", "addressType")),
        "gcp:compute/getAddresses:getAddresses": _addresses,
        "gcp:compute/getForwardingRule:getForwardingRule": lambda fake, args: fake._one(RULE, args, ("name", "labels")),
        "gcp:compute/getNetwork:getNetwork": lambda fake, args: fake._one(NETWORK, args, ("name", "description")),
        "gcp:compute/getSubnetwork:getSubnetwork": lambda fake, args: fake._one(SUBNET, args, ("name", "description")),
        "gcp:compute/getRouter:getRouter": lambda fake, args: fake._one(ROUTER, args, ("name", "description")),
        "gcp:compute/getResourcePolicy:getResourcePolicy": lambda fake, args: fake._one(POLICY, args, ("name", "description")),
        "gcp:compute/getRegions:getRegions": lambda fake, args: {"names": sorted(ZONES)},
        "gcp:compute/getZones:getZones": lambda fake, args: {"names": list(ZONES[args["region"]])},
        "gcp:compute/getMachineTypes:getMachineTypes": _types,
        "gcp:compute/getImage:getImage": _image,
        "gcp:organizations/getClientConfig:getClientConfig": lambda fake, args: {"project": PROJECT},
    }


def _hit(item: Item, kind: str, ident: str) -> dict[str, Any]:
    return {
        "name": f"//compute.googleapis.com/{ident}",
        "assetType": f"compute.googleapis.com/{kind}",
        "displayName": item["name"],
        "description": item.get("description", ""),
        "labels": item.get("labels", {}),
        "location": item.get("zone") or item.get("region") or "global",
        "project": PROJECT,
    }
