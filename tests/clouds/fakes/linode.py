"""A fake of Linode: one account."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from tests.clouds.fakes import base, zones
from tests.clouds.fakes.rules import Item, Ref, Rules

RECORD = "linode:index/domainRecord:DomainRecord"
VPC, SUBNET, FIREWALL = "linode:index/vpc:Vpc", "linode:index/vpcSubnet:VpcSubnet", "linode:index/firewall:Firewall"
GROUP, INSTANCE, VOLUME = (
    "linode:index/placementGroup:PlacementGroup",
    "linode:index/instance:Instance",
    "linode:index/volume:Volume",
)
BALANCER, PORT = "linode:index/nodeBalancer:NodeBalancer", "linode:index/nodeBalancerConfig:NodeBalancerConfig"
TARGET = "linode:index/nodeBalancerNode:NodeBalancerNode"

USUAL = ("Linodes", "NodeBalancers", "Block Storage", "VPCs", "Metadata", "Cloud Firewall", "Placement Group")
# What each region can do; the last is an old one without VPCs.
REGIONS = {"eu-central": USUAL, "us-east": (*USUAL, "Premium Plans"), "nl-ams": (*USUAL, "Premium Plans"), "us-old": ("Linodes",)}
# Type -> CPUs, MiB, class, price per month (made up), prices of single regions.
TYPES: dict[str, tuple[int, int, str, float, dict[str, float]]] = {
    "g6-nanode-1": (1, 1024, "nanode", 3.0, {}),
    "g6-standard-2": (2, 4096, "standard", 12.0, {"nl-ams": 14.0}),
    "g6-standard-4": (4, 8192, "standard", 24.0, {"nl-ams": 28.0}),
    "g7-premium-4": (4, 8192, "premium", 30.0, {}),
}
IMAGES = {"linode/debian12": "Debian 12", "linode/debian13": "Debian 13", "linode/ubuntu24.04": "Ubuntu 24.04 LTS"}
GROUP_SIZE = 5

_LABEL = re.compile(r"[A-Za-z0-9](?!.*(--|__|\.\.))([A-Za-z0-9._-]*[A-Za-z0-9])?")


def _label(item: Item, limit: int) -> str:
    label = item.inputs["label"]
    if not 3 <= len(label) <= limit or not _LABEL.fullmatch(label):
        return f"[400] [label] Label must be 3 to {limit} letters, digits and single dashes: {label}"
    bad = [tag for tag in item.inputs.get("tags", ()) if not 3 <= len(tag) <= 50]
    return f"[400] [tags] Tags must be 3 to 50 characters: {bad[0]}" if bad else ""


def _by_id(fake: Fake, token: str, number: Any) -> Item:
    return next(item for item in fake.all(token) if item.id == str(number))


def _region_of(fake: Fake, subnet: Any) -> str:
    return str(_by_id(fake, VPC, _by_id(fake, SUBNET, subnet)["vpcId"])["region"])


def _vpc_fits(fake: Fake, item: Item) -> str:
    able = "VPCs" in REGIONS[item.inputs["region"]]
    return _label(item, 64) if able else f"[400] [region] VPCs are not available in {item.inputs['region']}"


def _subnet_fits(fake: Fake, item: Item) -> str:
    try:
        private = ip_network(item.inputs["ipv4"]).is_private
    except ValueError as error:
        return f"[400] [ipv4] {error}"
    return _label(item, 64) if private else "[400] [ipv4] must be an RFC1918 range"


def _firewall_fits(fake: Fake, item: Item) -> str:
    for rule in item.inputs.get("inbounds", ()):
        addresses = [*rule.get("ipv4s", ()), *rule.get("ipv6s", ())]
        if not addresses:
            return f"[400] [rules] rule {rule['label']} has no addresses"
        if (rule["protocol"] in ("TCP", "UDP")) is not bool(rule.get("ports")):
            return f"[400] [rules] rule {rule['label']}: ports go with TCP and UDP"
        if any(ip_network(cidr).version != 4 for cidr in rule.get("ipv4s", ())):
            return f"[400] [rules] rule {rule['label']}: an IPv6 range among those of IPv4"
        if any(ip_network(cidr).version != 6 for cidr in rule.get("ipv6s", ())):
            return f"[400] [rules] rule {rule['label']}: an IPv4 range among those of IPv6"
    return _label(item, 32)


def _instance_fits(fake: Fake, item: Item) -> str:
    given = item.inputs
    nets = [interface["subnetId"] for interface in given.get("interfaces", ()) if interface["purpose"] == "vpc"]
    if any(_region_of(fake, number) != given["region"] for number in nets):
        return "[400] [interfaces] the VPC is in another region"
    if given["image"] and not (given.get("authorizedKeys") or given.get("authorizedUsers") or given.get("rootPass")):
        return "[400] one of root_pass, authorized_keys, authorized_users is needed"
    group = given.get("placementGroup", {}).get("id")
    members = [
        other for other in fake.all(INSTANCE) if other.id != item.id and other.get("placementGroup", {}).get("id") == group
    ]
    if group and (len(members) >= GROUP_SIZE or _by_id(fake, GROUP, group)["region"] != given["region"]):
        return "[400] [placement_group] the placement group is full or in another region"
    try:
        texts = [base64.b64decode(one["userData"], validate=True) for one in given.get("metadatas", ())]
    except binascii.Error:
        return "[400] [metadata.user_data] must be base64"
    return "[400] [metadata.user_data] is too large" if any(len(text) > 65535 for text in texts) else _label(item, 64)


def _instance(fake: Fake, item: Item) -> dict[str, Any]:
    public, told = fake.address(), []
    for interface in item.inputs.get("interfaces", ()):
        one = {**interface, "id": fake.number(), "active": True}
        if interface["purpose"] == "vpc":
            subnet = _by_id(fake, SUBNET, interface["subnetId"])
            one |= {"vpcId": int(subnet["vpcId"]), "ipv4": {"vpc": _inside(fake, subnet["ipv4"])}}
        told.append(one)
    return {"ipAddress": public, "ipv4s": [public], "status": "running", "interfaces": told, "hasUserData": True}


def _inside(fake: Fake, cidr: str) -> str:
    taken = {one["ipv4"]["vpc"] for item in fake.all(INSTANCE) for one in item.get("interfaces", ()) if one["purpose"] == "vpc"
             and "ipv4" in one}  # fmt: skip
    return next(str(host) for host in list(ip_network(cidr).hosts())[1:500] if str(host) not in taken)


def _volume_fits(fake: Fake, item: Item) -> str:
    if item.inputs["size"] < 10:
        return "[400] [size] Must be 10-16384"
    holder = item.inputs.get("linodeId")
    away = holder and _by_id(fake, INSTANCE, holder)["region"] != item.inputs["region"]
    return "[400] [linode_id] is in another region" if away else _label(item, 32)


def _port_fits(fake: Fake, item: Item) -> str:
    mine = [other for other in fake.all(PORT) if other.id != item.id and other["nodebalancerId"] == item["nodebalancerId"]]
    return "[400] [port] Port must be unique" if any(other["port"] == item["port"] for other in mine) else ""


def _target_fits(fake: Fake, item: Item) -> str:
    address, _, port = item.inputs["address"].partition(":")
    subnet = _by_id(fake, SUBNET, item.inputs["subnetId"])
    if not port or ip_address(address) not in ip_network(subnet["ipv4"]):
        return f"[400] [address] {item.inputs['address']} is not in the VPC subnet"
    return _label(item, 32)


def _filtered(entries: list[dict[str, Any]], args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each filter of the plugin's list functions: one of the wanted values is the property, or among them."""

    def fits(entry: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
        value = entry[rule["name"]]
        return bool({*map(str, value if isinstance(value, list) else [value])} & {*map(str, rule["values"])})

    return [entry for entry in entries if all(fits(entry, rule) for rule in args.get("filters", ()))]


class Fake(base.Fake):
    """Kinds, catalogues and functions of Linode."""

    plugin = "linode"
    image = "linode/debian12"
    catalogues = {
        "dns zone": frozenset({"7001"}),
        "region": frozenset(REGIONS),
        "type": frozenset(TYPES),
        "image": frozenset(IMAGES),
    }
    texts = {
        **base.Fake.texts,
        "credentials": "[401] Invalid Token",
        "quota": "[400] Account Limit reached. Please open a support ticket.",
        "capacity": "[400] [type] {size} is not available in {location}",
        "rate-limit": "[429] Too many requests, Retry-After: {seconds}",
        "broken": "[503] Service Unavailable",
        "in-use": "[400] {what} still in use by {by}",
        "not-found": "[404] {what} not found",
        "conflict": "[400] [label] Label must be unique: {what}",
    }
    rules = {
        RECORD: zones.record("domainId", "recordType"),
        VPC: Rules(unique="label", known={"region": "region"}, replaces=frozenset({"region"}), checks=_vpc_fits),
        SUBNET: Rules(refs={"vpcId": Ref(token=VPC)}, replaces=frozenset({"vpcId", "ipv4"}), checks=_subnet_fits),
        FIREWALL: Rules(unique="label", checks=_firewall_fits, outputs=lambda fake, item: {"status": "enabled"}),
        GROUP: Rules(
            unique="label",
            known={"region": "region"},
            replaces=frozenset({"region", "placementGroupType", "placementGroupPolicy"}),
            checks=lambda fake, item: _label(item, 64),
            outputs=lambda fake, item: {"isCompliant": True},
        ),
        INSTANCE: Rules(
            server=True,
            unique="label",
            refs={
                "firewallId": Ref(token=FIREWALL, holds=False),
                "interfaces[].subnetId": Ref(token=SUBNET),
                "placementGroup.id": Ref(token=GROUP),
            },
            known={"region": "region", "type": "type", "image": "image"},
            replaces=frozenset({"image", "metadatas", "authorizedKeys", "firewallId", "region", "interfaceGeneration"}),
            location="region",
            size="type",
            user_data="metadatas[].userData",
            address="ipAddress",
            checks=_instance_fits,
            outputs=_instance,
        ),
        VOLUME: Rules(
            unique="label",
            refs={"linodeId": Ref(token=INSTANCE, holds=False)},
            known={"region": "region"},
            replaces=frozenset({"region"}),
            checks=_volume_fits,
            outputs=lambda fake, item: {"filesystemPath": f"/dev/disk/by-id/scsi-0Linode_Volume_{item.inputs['label']}"},
        ),
        BALANCER: Rules(
            unique="label",
            refs={"vpcs[].subnetId": Ref(token=SUBNET), "firewallId": Ref(token=FIREWALL, holds=False)},
            known={"region": "region"},
            replaces=frozenset({"region", "vpcs", "type"}),
            checks=lambda fake, item: _label(item, 32),
            outputs=lambda fake, item: {"ipv4": fake.address(), "hostname": "nb.example"},
        ),
        PORT: Rules(
            refs={"nodebalancerId": Ref(token=BALANCER, holds=False)},
            replaces=frozenset({"nodebalancerId"}),
            checks=_port_fits,
        ),
        TARGET: Rules(
            refs={
                "nodebalancerId": Ref(token=BALANCER, holds=False),
                "configId": Ref(token=PORT, holds=False),
                "subnetId": Ref(token=SUBNET),
            },
            replaces=frozenset({"nodebalancerId", "configId", "subnetId"}),
            checks=_target_fits,
        ),
    }

    @property
    def on_server(self) -> Callable[[Item, str], str] | None:  # type: ignore[override]
        """Who is told of a new Linode: user-data comes in base64 here, and is handed on as it was written."""
        told = self._on_server
        return None if told is None else lambda item, text: told(item, base64.b64decode(text).decode())

    @on_server.setter
    def on_server(self, told: Callable[[Item, str], str] | None) -> None:
        self._on_server = told

    def create(self, token: str, name: str, inputs: dict[str, Any]) -> Item:
        """As any; an address that `on_server` gave is in the list of addresses too."""
        item = super().create(token, name, inputs)
        if token == INSTANCE:
            item.outputs["ipv4s"] = [item["ipAddress"]]
        return item

    def read(self, token: str, ident: str) -> Item | None:
        """As any; an id to import by may have the parents' before it (`VPC,SUBNET`)."""
        return super().read(token, ident.rpartition(",")[2])

    def _stored(self, token: str, args: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
        return _filtered(
            [
                {"id": int(item.id), "label": item["label"], "tags": item.get("tags", []), **{name: item[name] for name in names}}
                for item in self.all(token)
            ],
            args,
        )

    def _instances(self, args: Mapping[str, Any]) -> dict[str, Any]:
        found = self._stored(INSTANCE, args, "region", "type", "image", "status", "ipAddress", "ipv4s", "interfaces")
        for entry in found:
            entry["configs"] = [{"label": "boot_config", "interfaces": entry.pop("interfaces")}]
        return {"instances": found}

    def _vpcs(self, args: Mapping[str, Any]) -> dict[str, Any]:
        nets = self._stored(VPC, args, "region")
        for net in nets:
            net["subnets"] = [self._subnet(item) for item in self.all(SUBNET) if str(item["vpcId"]) == str(net["id"])]
            net["id"] = str(net["id"])
            del net["tags"]
        return {"vpcs": nets}

    def _subnet(self, item: Item) -> dict[str, Any]:
        inside = [one for one in self.all(BALANCER) for vpc in one.get("vpcs", ()) if str(vpc["subnetId"]) == item.id]
        balancers = [{"id": int(one.id)} for one in inside]
        return {"id": int(item.id), "label": item["label"], "ipv4": item["ipv4"], "nodebalancers": balancers}

    def _groups(self, args: Mapping[str, Any]) -> dict[str, Any]:
        groups = self._stored(GROUP, args, "region", "placementGroupType", "placementGroupPolicy")
        return {"placementGroups": [{name: value for name, value in group.items() if name != "tags"} for group in groups]}

    def _types(self, args: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "types": [
                {
                    "id": name, "label": name, "vcpus": cpus, "memory": memory, "class": kind,
                    "prices": [{"hourly": price / 720, "monthly": price}],
                    "regionPrices": [{"id": place, "hourly": own / 720, "monthly": own} for place, own in special.items()],
                }
                for name, (cpus, memory, kind, price, special) in TYPES.items()
            ]
        }  # fmt: skip

    def _domain(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args.get("domain") != zones.ZONE:
            raise self.refuse("not-found", what=f"domain {args.get('domain')}")
        return {"domain": zones.ZONE, "id": 7001}

    def _record(self, args: Mapping[str, Any]) -> dict[str, Any]:
        for item in self.all(RECORD):
            if (item["domainId"], item["name"]) == (args["domainId"], args["name"]):
                return {"id": int(zones.number(item)), "type": item["recordType"], "target": item["target"]}
        raise self.refuse("not-found", what=f"record {args['name']}")

    functions = {
        "linode:index/getDomain:getDomain": _domain,
        "linode:index/getDomainRecord:getDomainRecord": _record,
        "linode:index/getInstances:getInstances": _instances,
        "linode:index/getVpcs:getVpcs": _vpcs,
        "linode:index/getPlacementGroups:getPlacementGroups": _groups,
        "linode:index/getFirewalls:getFirewalls": lambda fake, args: {"firewalls": fake._stored(FIREWALL, args, "inboundPolicy")},
        "linode:index/getVolumes:getVolumes": lambda fake, args: {
            "volumes": fake._stored(VOLUME, args, "size", "region", "linodeId")
        },
        "linode:index/getNodebalancers:getNodebalancers": lambda fake, args: {
            "nodebalancers": fake._stored(BALANCER, args, "region", "ipv4")
        },
        "linode:index/getNodebalancerConfigs:getNodebalancerConfigs": lambda fake, args: {
            "nodebalancerConfigs": [
                {"id": int(item.id), "nodebalancerId": args["nodebalancerId"], "port": item["port"], "protocol": item["protocol"]}
                for item in fake.all(PORT)
                if item["nodebalancerId"] == args["nodebalancerId"]
            ]
        },
        "linode:index/getRegions:getRegions": lambda fake, args: {
            "regions": [{"id": name, "status": "ok", "capabilities": [*able]} for name, able in REGIONS.items()]
        },
        "linode:index/getInstanceTypes:getInstanceTypes": _types,
        "linode:index/getImages:getImages": lambda fake, args: {
            "images": [
                {"id": ident, "label": label, "isPublic": True, "status": "available", "capabilities": ["cloud-init"]}
                for ident, label in IMAGES.items()
            ]
        },
    }
