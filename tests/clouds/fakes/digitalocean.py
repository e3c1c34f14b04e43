"""A fake of DigitalOcean: one team."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from tests.clouds.fakes import base, zones
from tests.clouds.fakes.rules import Item, Ref, Refused, Rules

RECORD = "digitalocean:index/dnsRecord:DnsRecord"
VPC, TAG, FIREWALL = "digitalocean:index/vpc:Vpc", "digitalocean:index/tag:Tag", "digitalocean:index/firewall:Firewall"
KEY, GATEWAY = "digitalocean:index/sshKey:SshKey", "digitalocean:index/vpcNatGateway:VpcNatGateway"
DROPLET, VOLUME = "digitalocean:index/droplet:Droplet", "digitalocean:index/volume:Volume"
BALANCER = "digitalocean:index/loadBalancer:LoadBalancer"

REGIONS = ("fra1", "ams3", "nyc3")
# Slug -> CPUs, MiB, price per month (made up), where it can be had.
SIZES = {
    "s-1vcpu-2gb": (1, 2048, 7.0, REGIONS),
    "s-2vcpu-4gb": (2, 4096, 14.0, REGIONS),
    "s-4vcpu-8gb": (4, 8192, 28.0, REGIONS[:2]),
}
IMAGES = {"171157570": "debian-12-x64", "171157571": "debian-13-x64", "171157572": "ubuntu-24-04-x64"}

_TAG = re.compile(r"[A-Za-z0-9:_-]{1,255}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def _uuid(fake: Fake, item: Item) -> str:
    return str(uuid.UUID(int=fake.number()))


def _vpc(fake: Fake, ident: str) -> Item:
    return next(item for item in fake.all(VPC) if item.id == ident)


def _bad_tags(item: Item) -> str:
    bad = [tag for tag in item.inputs.get("tags", ()) if not _TAG.fullmatch(tag)]
    return f"422 Tags may contain letters, numbers, colons, dashes and underscores: {bad[0]}" if bad else ""


def _network_fits(fake: Fake, item: Item) -> str:
    try:
        mine = ip_network(item.inputs["ipRange"])
    except ValueError as error:
        return f"422 ip_range is invalid: {error}"
    others = [other["name"] for other in fake.all(VPC) if other.id != item.id and mine.overlaps(ip_network(other["ipRange"]))]
    return f"422 This range/size overlaps with another VPC network in your account: {others[0]}" if others else ""


def _rules_fit(fake: Fake, item: Item) -> str:
    rules = [*item.inputs.get("inboundRules", ()), *item.inputs.get("outboundRules", ())]
    if not rules:
        return "At least one rule must be specified"
    if any(rule["protocol"] != "icmp" and not rule.get("portRange") for rule in rules):
        return "`port_range` of rules is required if protocol is `tcp` or `udp`"
    if any(not any(value for name, value in rule.items() if name not in ("protocol", "portRange")) for rule in rules):
        return "422 a rule needs sources or destinations"
    return _bad_tags(item)


def _new_tag(fake: Fake, item: Item) -> str:
    """Tags come into being with the first thing that carries them: whoever declares one must do so before."""
    used = [other.name for kind in (DROPLET, VOLUME) for other in fake.all(kind) if item.inputs["name"] in other["tags"]]
    return f"422 the tag {item.inputs['name']} is there already, made by {used[0]}" if used else ""


def _droplet_fits(fake: Fake, item: Item) -> str:
    given = item.inputs
    if not _NAME.fullmatch(given["name"]):
        return f"422 Only valid hostname characters are allowed: {given['name']}"
    if given["region"] not in SIZES[given["size"]][3]:
        return f"422 Size is not available in this region: {given['size']}"
    if _vpc(fake, given["vpcUuid"])["region"] != given["region"]:
        return "422 VPC is not in the Droplet's region"
    away = [
        disk["name"] for disk in fake.all(VOLUME) if disk.id in given.get("volumeIds", ()) and disk["region"] != given["region"]
    ]
    if len(given.get("userData", "").encode()) > 65536:
        return "422 user_data is too large: 64 KiB at most"
    return f"422 volume {away[0]} is in another region" if away else _bad_tags(item)


def _droplet(fake: Fake, item: Item) -> dict[str, Any]:
    cpus, memory, price, _ = SIZES[item.inputs["size"]]
    private = fake.address(_vpc(fake, item.inputs["vpcUuid"])["ipRange"])
    public = fake.address() if item.inputs.get("publicNetworking", True) else ""
    return {
        "ipv4Address": public, "ipv4AddressPrivate": private, "status": "active", "vcpus": cpus, "memory": memory,
        "priceMonthly": price, "locked": False,
    }  # fmt: skip


def _fingerprint(fake: Fake, item: Item) -> dict[str, Any]:
    text = hashlib.sha256(item.inputs["publicKey"].encode()).hexdigest()[:32]
    return {"fingerprint": ":".join(re.findall("..", text))}


def _gateway_fits(fake: Fake, item: Item) -> str:
    away = [one for one in item.inputs["vpcs"] if _vpc(fake, one["vpcUuid"])["region"] != item.inputs["region"]]
    return "422 VPC is in another region" if away else "" if item.inputs["type"] == "PUBLIC" else "422 type must be PUBLIC"


def _balancer_fits(fake: Fake, item: Item) -> str:
    fence = item.inputs.get("firewall", {})
    bad = [text for text in (*fence.get("allows", ()), *fence.get("denies", ())) if text.partition(":")[0] not in ("ip", "cidr")]
    return f"422 firewall rule {bad[0]} must be ip:… or cidr:…" if bad else ""


def _filtered(entries: list[dict[str, Any]], args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each filter of the plugin's list functions: one of the wanted values is the property, or among them."""

    def fits(entry: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
        value = entry[rule["key"]]
        return bool({*map(str, value if isinstance(value, list) else [value])} & {*map(str, rule["values"])})

    return [entry for entry in entries if all(fits(entry, rule) for rule in args.get("filters", ()))]


class Fake(base.Fake):
    """Kinds, catalogues and functions of DigitalOcean."""

    allowed = 25  # Droplets, as a new account has

    plugin = "digitalocean"
    image = "171157570"
    catalogues = {
        "dns zone": frozenset({zones.ZONE}),
        "region": frozenset(REGIONS),
        "size": frozenset(SIZES),
        "image": frozenset(IMAGES) | frozenset(IMAGES.values()),
    }
    texts = {
        **base.Fake.texts,
        "credentials": "GET /v2/account: 401 Unable to authenticate you",
        "quota": "POST /v2/droplets: 422 creating this/these droplet(s) will exceed your droplet limit",
        "capacity": "POST /v2/droplets: 422 Size {size} is not available in this region: {location}",
        "rate-limit": "429 API Rate limit exceeded, Retry-After: {seconds}",
        "in-use": "409 Can not delete {what} with members: {by}",
        "not-found": "404 {what} could not be found",
        "conflict": "409 duplicate name: {what} already exists",
    }
    rules = {
        RECORD: zones.record("domain", "type"),
        VPC: Rules(
            id=_uuid, unique="name", known={"region": "region"}, replaces=frozenset({"region", "ipRange"}), checks=_network_fits
        ),
        TAG: Rules(id=lambda fake, item: str(item.inputs["name"]), unique="name", replaces=frozenset({"name"}), checks=_new_tag),
        FIREWALL: Rules(
            id=_uuid,
            unique="name",
            refs={
                "tags[]": Ref(token=TAG, by="name", holds=False),
                "dropletIds[]": Ref(token=DROPLET, holds=False),
                "inboundRules[].sourceTags[]": Ref(token=TAG, by="name", holds=False),
                "inboundRules[].sourceLoadBalancerUids[]": Ref(token=BALANCER, holds=False),
            },
            checks=_rules_fit,
            outputs=lambda fake, item: {"status": "succeeded", "pendingChanges": []},
        ),
        KEY: Rules(unique="publicKey", replaces=frozenset({"publicKey"}), outputs=_fingerprint),
        GATEWAY: Rules(
            id=_uuid,
            unique="name",
            refs={"vpcs[].vpcUuid": Ref(token=VPC)},
            known={"region": "region"},
            replaces=frozenset({"region", "type", "vpcs"}),
            checks=_gateway_fits,
            outputs=lambda fake, item: {"state": "ACTIVE"},
        ),
        DROPLET: Rules(
            server=True,
            refs={
                "vpcUuid": Ref(token=VPC),
                "sshKeys[]": Ref(token=KEY, by="fingerprint", holds=False),
                "volumeIds[]": Ref(token=VOLUME),
            },
            known={"region": "region", "size": "size", "image": "image"},
            replaces=frozenset({"image", "userData", "sshKeys", "region", "vpcUuid", "publicNetworking"}),
            location="region",
            size="size",
            user_data="userData",
            address="ipv4Address",
            checks=_droplet_fits,
            outputs=_droplet,
        ),
        VOLUME: Rules(
            id=_uuid,
            unique="name",
            known={"region": "region"},
            replaces=frozenset({"region", "name", "snapshotId"}),
            checks=lambda fake, item: _bad_tags(item),
        ),
        BALANCER: Rules(
            id=_uuid,
            unique="name",
            refs={"vpcUuid": Ref(token=VPC), "dropletIds[]": Ref(token=DROPLET, holds=False)},
            known={"region": "region"},
            replaces=frozenset({"region", "vpcUuid", "network"}),
            checks=_balancer_fits,
            outputs=lambda fake, item: {"ip": fake.address(), "status": "active"},
        ),
    }

    def _one(self, token: str, what: str, **wanted: Any) -> dict[str, Any]:
        """The plugin's look-up of one thing by name: an error where there is none."""
        for item in self.all(token):
            if all(item[name] == value for name, value in wanted.items()):
                return {"id": item.id, "name": item["name"], **wanted}
        raise Refused(what)

    def _droplets(self, args: Mapping[str, Any]) -> dict[str, Any]:
        told = ("name", "region", "size", "image", "status", "tags", "vpcUuid", "ipv4Address", "ipv4AddressPrivate")
        found = [
            {"id": int(item.id), "volumeIds": item.get("volumeIds", []), **{name: item[name] for name in told}}
            for item in self.all(DROPLET)
        ]
        return {"droplets": _filtered(found, args)}

    def _tags(self, args: Mapping[str, Any]) -> dict[str, Any]:
        disks = [tag for item in self.all(VOLUME) for tag in item.get("tags", ())]
        names = {item["name"] for item in self.all(TAG)} | {*disks} | {tag for item in self.all(DROPLET) for tag in item["tags"]}
        return {"tags": _filtered([{"name": name, "volumesCount": disks.count(name)} for name in sorted(names)], args)}

    def _keys(self, args: Mapping[str, Any]) -> dict[str, Any]:
        keys = [{"id": int(item.id), "name": item["name"], "fingerprint": item["fingerprint"]} for item in self.all(KEY)]
        return {"sshKeys": _filtered(keys, args)}

    def _projects(self, args: Mapping[str, Any]) -> dict[str, Any]:
        kinds = {"droplet": DROPLET, "volume": VOLUME, "loadbalancer": BALANCER}
        urns = [f"do:{kind}:{item.id}" for kind, token in kinds.items() for item in self.all(token)]
        return {"projects": [{"id": "project-1", "name": "first-project", "isDefault": True, "resources": urns}]}

    def _balancer(self, args: Mapping[str, Any]) -> dict[str, Any]:
        found = self._one(BALANCER, f"404 load balancer {args['id']} could not be found", id=args["id"])
        return {**found, "vpcUuid": next(item["vpcUuid"] for item in self.all(BALANCER) if item.id == args["id"])}

    def _sizes(self, args: Mapping[str, Any]) -> dict[str, Any]:
        return {"sizes": [*self._offers()]}

    def _offers(self) -> Iterator[dict[str, Any]]:
        for name, (cpus, memory, price, places) in SIZES.items():
            open_ones = [place for place in places if not self.faults.full & {place, name, f"{name}@{place}"}]
            yield {
                "slug": name, "vcpus": cpus, "memory": memory, "priceMonthly": price, "regions": open_ones,
                "available": bool(open_ones),
            }  # fmt: skip

    def _records(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args["domain"] != zones.ZONE:
            raise self.refuse("not-found", what=f"domain {args['domain']}")
        wanted = [value for each in args.get("filters") or () for value in each["values"]]
        mine = [item for item in self.all(RECORD) if item["name"] in wanted]
        return {
            "records": [
                {"id": int(zones.number(item)), **{key: item[key] for key in ("domain", "name", "type", "value", "ttl")}}
                for item in mine
            ]
        }

    functions = {
        "digitalocean:index/getRecords:getRecords": _records,
        "digitalocean:index/getDroplets:getDroplets": _droplets,
        "digitalocean:index/getTags:getTags": _tags,
        "digitalocean:index/getSshKeys:getSshKeys": _keys,
        "digitalocean:index/getProjects:getProjects": _projects,
        "digitalocean:index/getLoadBalancer:getLoadBalancer": _balancer,
        "digitalocean:index/getVpc:getVpc": lambda fake, args: fake._one(
            VPC, f"no VPCs found with name {args['name']}", name=args["name"]
        ),
        "digitalocean:index/getVpcNatGateway:getVpcNatGateway": lambda fake, args: fake._one(
            GATEWAY, "Error listing VPC NAT Gateway by name: <nil>", name=args["name"]
        ),
        "digitalocean:index/getVolume:getVolume": lambda fake, args: fake._one(
            VOLUME, f"no volumes found with name {args['name']}", name=args["name"], region=args["region"]
        ),
        "digitalocean:index/getAccount:getAccount": lambda fake, args: {
            "dropletLimit": fake.limit,
            "status": "active",
            "uuid": "team-1",
        },
        "digitalocean:index/getRegions:getRegions": lambda fake, args: {
            "regions": [{"slug": name, "name": name, "available": name not in fake.faults.full} for name in REGIONS]
        },
        "digitalocean:index/getSizes:getSizes": _sizes,
        "digitalocean:index/getImages:getImages": lambda fake, args: {
            "images": [{"id": int(ident), "slug": slug, "name": slug, "private": False} for ident, slug in IMAGES.items()]
        },
    }
