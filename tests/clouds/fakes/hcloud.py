"""A fake of Hetzner Cloud: one project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from tests.clouds.fakes import base, zones
from tests.clouds.fakes.rules import Item, Ref, Rules

NETWORK, SUBNET = "hcloud:index/network:Network", "hcloud:index/networkSubnet:NetworkSubnet"
FIREWALL, KEY, GROUP = (
    "hcloud:index/firewall:Firewall",
    "hcloud:index/sshKey:SshKey",
    "hcloud:index/placementGroup:PlacementGroup",
)
SERVER, JOINED = "hcloud:index/server:Server", "hcloud:index/serverNetwork:ServerNetwork"
ROUTE = "hcloud:index/networkRoute:NetworkRoute"
RRSET = "hcloud:index/zoneRrset:ZoneRrset"
VOLUME, BALANCER = "hcloud:index/volume:Volume", "hcloud:index/loadBalancer:LoadBalancer"
BALANCER_NET = "hcloud:index/loadBalancerNetwork:LoadBalancerNetwork"
SERVICE, TARGET = "hcloud:index/loadBalancerService:LoadBalancerService", "hcloud:index/loadBalancerTarget:LoadBalancerTarget"

LOCATIONS = {"fsn1": "eu-central", "nbg1": "eu-central", "hel1": "eu-central", "ash": "us-east"}
TYPES = {"cx23": ("x86", 2, 4), "cx33": ("x86", 4, 8), "cx43": ("x86", 8, 16), "cax11": ("arm", 2, 4)}
IMAGES = {"114690387": ("debian-12", "x86"), "114690389": ("debian-12", "arm"), "161547269": ("ubuntu-24.04", "x86")}
GROUP_SIZE = 10  # servers in a spread placement group


def _network_of(fake: Fake, subnet: str) -> Item:
    number = next(item["networkId"] for item in fake.all(SUBNET) if item.id == subnet)
    return next(item for item in fake.all(NETWORK) if item.id == str(number))


def _place(fake: Fake, item: Item) -> dict[str, Any]:
    subnet = item.inputs["subnetId"]
    cidr = next(other["ipRange"] for other in fake.all(SUBNET) if other.id == subnet)
    return {"ip": item.inputs.get("ip") or fake.address(cidr), "networkId": int(_network_of(fake, subnet).id)}


def _is_private(item: Item) -> bool:
    return any(not net.get("ipv4Enabled", True) for net in item.inputs.get("publicNets") or ())


def _server(fake: Fake, item: Item) -> dict[str, Any]:
    address = "" if _is_private(item) else fake.address()
    inside = [net | _place(fake, Item("", "", "", net)) for net in item.inputs.get("networks") or ()]
    return {
        "ipv4Address": address, "ipv6Address": "2001:db8::1", "ipv6Network": "2001:db8::/64", "status": "running",
        "primaryDiskSize": 80, "backupWindow": "", **({"networks": inside} if inside else {}),
    }  # fmt: skip


def _subnet_overlaps(fake: Fake, item: Item) -> str:
    mates = [other for other in fake.all(SUBNET) if other["networkId"] == item["networkId"]]
    taken = any(ip_network(other["ipRange"]).overlaps(ip_network(item["ipRange"])) for other in mates)
    return "invalid_input: the range overlaps with that of another subnet" if taken else ""


def _group_is_full(fake: Fake, item: Item) -> str:
    group = item.inputs.get("placementGroupId")
    members = [other for other in fake.all(SERVER) if other.id != item.id and other.inputs.get("placementGroupId") == group]
    return "placement_error: the placement group is full" if group and len(members) >= GROUP_SIZE else ""


def _right_architecture(fake: Fake, item: Item) -> str:
    if _is_private(item) and not item.inputs.get("networks"):
        return "invalid_input: a server needs a public address or a network"
    if _is_private(item) and item.inputs.get("firewallIds"):
        return "private_net_only_server: the server has no public address"
    image = IMAGES.get(str(item.inputs.get("image")))
    if image and image[1] != TYPES[item.inputs["serverType"]][0]:
        return f"invalid_input: image {image[0]} is not of the server type's architecture"
    return _group_is_full(fake, item)


def _route(fake: Fake, item: Item) -> str:
    """One for each destination, to an address that some server has in the network."""
    places = [place["ip"] for place in fake.all(JOINED)]
    if item.inputs["gateway"] not in places:
        return f"invalid_input: {item.inputs['gateway']} is no server of the network"
    return zones.once("networkId", "destination")(fake, item)


class Fake(base.Fake):
    """Kinds, catalogues and functions of Hetzner Cloud."""

    plugin = "hcloud"
    image = "114690387"
    catalogues = {
        "dns zone": frozenset({zones.ZONE}),
        "location": frozenset(LOCATIONS),
        "server_type": frozenset(TYPES),
        "image": frozenset(IMAGES) | {name for name, _ in IMAGES.values()},
        "network_zone": frozenset(LOCATIONS.values()),
        "load_balancer_type": frozenset({"lb11", "lb21", "lb31"}),
    }
    texts = {
        **base.Fake.texts,
        "credentials": "unable to authenticate (unauthorized, 8d0e9d4a6c7b)",
        "quota": "server limit exceeded (resource_limit_exceeded, 8d0e9d4a6c7b)",
        "capacity": "error during placement of {size} in {location} (resource_unavailable, 8d0e9d4a6c7b)",
        "rate-limit": "limit of 3600 requests per hour reached (rate_limit_exceeded), Retry-After: {seconds}",
        "in-use": "{what} is still in use by {by} (resource_in_use, 8d0e9d4a6c7b)",
        "not-found": "{what} not found (not_found, 8d0e9d4a6c7b)",
        "conflict": "{what}: name is already used (uniqueness_error, 8d0e9d4a6c7b)",
    }
    rules = {
        RRSET: zones.record_set("zone", "name", "type", ident="{zone}/{name}/{type}"),
        NETWORK: Rules(unique="name"),
        SUBNET: Rules(
            refs={"networkId": Ref(token=NETWORK, holds=False)},
            known={"networkZone": "network_zone"},
            replaces=frozenset({"networkId", "ipRange", "networkZone", "type"}),
            checks=_subnet_overlaps,
            id=lambda fake, item: f"{item.inputs['networkId']}-{item.inputs['ipRange']}",
        ),
        FIREWALL: Rules(unique="name"),
        KEY: Rules(unique="name", replaces=frozenset({"publicKey"}), outputs=lambda fake, item: {"fingerprint": "aa:bb:cc"}),
        GROUP: Rules(unique="name", replaces=frozenset({"type"})),
        SERVER: Rules(
            server=True,
            unique="name",
            refs={
                "firewallIds[]": Ref(token=FIREWALL),
                "sshKeys[]": Ref(token=KEY, holds=False),
                "placementGroupId": Ref(token=GROUP),
                "networks[].subnetId": Ref(token=SUBNET),
            },
            known={"location": "location", "serverType": "server_type", "image": "image"},
            replaces=frozenset({"image", "userData", "sshKeys", "location", "datacenter", "publicNets"}),
            location="location",
            size="serverType",
            user_data="userData",
            address="ipv4Address",
            outputs=_server,
            checks=_right_architecture,
        ),
        JOINED: Rules(
            refs={"serverId": Ref(token=SERVER, holds=False), "subnetId": Ref(token=SUBNET)},
            replaces=frozenset({"serverId", "subnetId", "networkId", "ip"}),
            id=lambda fake, item: f"{item.inputs['serverId']}-{_network_of(fake, item.inputs['subnetId']).id}",
            outputs=_place,
            again=True,
        ),
        ROUTE: Rules(
            refs={"networkId": Ref(token=NETWORK, holds=False)},
            replaces=frozenset({"networkId", "destination", "gateway"}),
            checks=_route,
            id=lambda fake, item: f"{item.inputs['networkId']}-{item.inputs['destination']}",
        ),
        VOLUME: Rules(
            unique="name",
            refs={"serverId": Ref(token=SERVER, holds=False)},
            known={"location": "location"},
            replaces=frozenset({"format", "location"}),
            outputs=lambda fake, item: {"linuxDevice": f"/dev/disk/by-id/scsi-0HC_Volume_{item.id}"},
        ),
        BALANCER: Rules(
            unique="name",
            known={"loadBalancerType": "load_balancer_type", "networkZone": "network_zone", "location": "location"},
            replaces=frozenset({"location", "networkZone"}),
            outputs=lambda fake, item: {"ipv4": fake.address(), "ipv6": "2001:db8::2"},
        ),
        BALANCER_NET: Rules(
            refs={"loadBalancerId": Ref(token=BALANCER, holds=False), "subnetId": Ref(token=SUBNET)},
            replaces=frozenset({"loadBalancerId", "subnetId", "networkId", "ip"}),
            id=lambda fake, item: f"{item.inputs['loadBalancerId']}-{_network_of(fake, item.inputs['subnetId']).id}",
            outputs=_place,
        ),
        SERVICE: Rules(
            refs={"loadBalancerId": Ref(token=BALANCER, holds=False)},
            replaces=frozenset({"loadBalancerId", "listenPort"}),
            id=lambda fake, item: f"{item.inputs['loadBalancerId']}__{item.inputs['listenPort']}",
        ),
        TARGET: Rules(
            refs={"loadBalancerId": Ref(token=BALANCER, holds=False), "serverId": Ref(token=SERVER, holds=False)},
            replaces=frozenset({"loadBalancerId", "serverId", "type"}),
            id=lambda fake, item: f"lb-server-{item.inputs['serverId']}-{item.inputs['loadBalancerId']}",
            alias=lambda item: f"{item.inputs['loadBalancerId']}__server__{item.inputs['serverId']}",
        ),
    }

    def _picked(self, token: str, args: Mapping[str, Any]) -> Iterator[Item]:
        """Those that a label selector picks (only the form `key=value` is known)."""
        key, _, value = str(args.get("withSelector", "")).partition("=")
        return (item for item in self.all(token) if not key or item.get("labels", {}).get(key) == value)

    def _labelled(self, token: str, args: Mapping[str, Any], *more: str) -> list[dict[str, Any]]:
        return [
            {"id": _id(item), "name": item["name"], "labels": item.get("labels", {}), **{name: item[name] for name in more}}
            for item in self._picked(token, args)
        ]

    def _servers(self, args: Mapping[str, Any]) -> dict[str, Any]:
        servers = []
        for item in self._picked(SERVER, args):
            places = [place for place in self.all(JOINED) if str(place["serverId"]) == item.id]
            both = [*places, *(item.get("networks") or ())]
            nets = [{"networkId": place["networkId"], "ip": place["ip"], "aliasIps": [], "macAddress": ""} for place in both]
            told = ("location", "ipv4Address", "status", "serverType", "image", "placementGroupId", "firewallIds")
            servers.append(
                {"id": _id(item), "name": item["name"], "labels": item.get("labels", {}), "networks": nets}
                | {name: item[name] for name in told}
            )
        return {"servers": servers}

    def _balancers(self, args: Mapping[str, Any]) -> dict[str, Any]:
        found = self._labelled(BALANCER, args, "ipv4", "loadBalancerType")
        for balancer in found:
            mine = [target for target in self.all(TARGET) if target["loadBalancerId"] == balancer["id"]]
            balancer["targets"] = [{"type": "server", "serverId": target["serverId"]} for target in mine]
        return {"loadBalancers": found}

    def _types(self, args: Mapping[str, Any]) -> dict[str, Any]:
        def places(name: str) -> list[dict[str, Any]]:
            full = self.faults.full
            return [
                {"name": place, "available": not full & {place, name, f"{name}@{place}"}, "isDeprecated": False}
                for place in LOCATIONS
            ]

        types = [{"name": name, "architecture": kind, "cores": cpus, "memory": gib} for name, (kind, cpus, gib) in TYPES.items()]
        return {"serverTypes": [{**item, "isDeprecated": False, "locations": places(item["name"])} for item in types]}

    def _images(self, args: Mapping[str, Any]) -> dict[str, Any]:
        wanted = args.get("withArchitectures") or ["x86", "arm"]
        return {
            "images": [
                {"id": int(ident), "name": name, "architecture": kind, "type": "system", "isDeprecated": False}
                for ident, (name, kind) in IMAGES.items()
                if kind in wanted
            ]
        }

    def _rrsets(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args.get("zone") not in self.catalogues["dns zone"]:
            raise self.refuse("not-found", what=f"zone {args.get('zone')}")
        told = ("name", "type", "ttl", "labels", "records", "zone")
        return {
            "rrsets": [{"id": f"{item['name']}/{item['type']}", **{key: item[key] for key in told}} for item in self.all(RRSET)]
        }

    functions = {
        "hcloud:index/getZoneRrsets:getZoneRrsets": _rrsets,
        "hcloud:index/getServers:getServers": _servers,
        "hcloud:index/getLoadBalancers:getLoadBalancers": _balancers,
        "hcloud:index/getVolumes:getVolumes": lambda fake, args: {"volumes": fake._labelled(VOLUME, args, "size", "serverId")},
        "hcloud:index/getNetworks:getNetworks": lambda fake, args: {"networks": fake._labelled(NETWORK, args, "ipRange")},
        "hcloud:index/getFirewalls:getFirewalls": lambda fake, args: {"firewalls": fake._labelled(FIREWALL, args)},
        "hcloud:index/getSshKeys:getSshKeys": lambda fake, args: {"sshKeys": fake._labelled(KEY, args, "publicKey")},
        "hcloud:index/getPlacementGroups:getPlacementGroups": lambda fake, args: {"placementGroups": fake._labelled(GROUP, args)},
        "hcloud:index/getPrimaryIps:getPrimaryIps": lambda fake, args: {"primaryIps": []},
        "hcloud:index/getServerTypes:getServerTypes": _types,
        "hcloud:index/getImages:getImages": _images,
        "hcloud:index/getLocations:getLocations": lambda fake, args: {
            "locations": [{"name": name, "networkZone": zone} for name, zone in LOCATIONS.items()]
        },
    }


def _id(item: Item) -> int:
    return int(item.id)
