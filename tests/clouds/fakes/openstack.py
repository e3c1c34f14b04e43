"""A fake OpenStack cloud: one project in one region."""

from __future__ import annotations

import base64
import itertools
import re
import uuid
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from tests.clouds.fakes import base, zones
from tests.clouds.fakes.rules import Item, Ref, Refused, Rules

RECORD = "openstack:dns/recordSet:RecordSet"
NETWORK, SUBNET = "openstack:networking/network:Network", "openstack:networking/subnet:Subnet"
ROUTER, INTERFACE = "openstack:networking/router:Router", "openstack:networking/routerInterface:RouterInterface"
GROUP, RULE = "openstack:networking/secGroup:SecGroup", "openstack:networking/secGroupRule:SecGroupRule"
PORT, FLOATING = "openstack:networking/port:Port", "openstack:networking/floatingIp:FloatingIp"
KEY, APART = "openstack:compute/keypair:Keypair", "openstack:compute/serverGroup:ServerGroup"
SERVER, ATTACHED = "openstack:compute/instance:Instance", "openstack:compute/volumeAttach:VolumeAttach"
VOLUME = "openstack:blockstorage/volume:Volume"
BALANCER, LISTENER = "openstack:loadbalancer/loadBalancer:LoadBalancer", "openstack:loadbalancer/listener:Listener"
POOL, MONITOR = "openstack:loadbalancer/pool:Pool", "openstack:loadbalancer/monitor:Monitor"
MEMBER = "openstack:loadbalancer/member:Member"

REGION, PROJECT = "RegionOne", "11111111222243338444555555555555"
ZONES = ("nova", "zone-b")
FLAVORS = {"m1.small": ("2", 1, 2048), "m1.medium": ("3", 2, 4096), "m1.large": ("4", 4, 8192)}
IMAGES = {"Debian 12": "70b16c3f-90bc-4a7c-8bc4-3c6d0f1e8a01", "ubuntu-24.04": "70b16c3f-90bc-4a7c-8bc4-3c6d0f1e8a02"}
OUTSIDE = {"public": "9a7c0f52-6b0e-4b60-8a3f-2d3cf1a5b001"}
# What goes with another thing when that is deleted: kind -> property that names the other.
PARTS = {RULE: "securityGroupId", ATTACHED: "instanceId", MONITOR: "poolId", MEMBER: "poolId"}
USER_DATA = 65535  # bytes in base64 that the compute service takes
TAG = 60  # characters


def _uuid(fake: Fake, item: Item) -> str:
    return str(uuid.UUID(int=fake.number()))


def _rules(**given: Any) -> Rules:
    return Rules(**{"id": _uuid, **given})


def _tagged(fake: Fake, item: Item) -> dict[str, Any]:
    return {"allTags": item.inputs.get("tags", []), "region": REGION}


def _tags_fit(fake: Fake, item: Item) -> str:
    bad = [tag for tag in item.inputs.get("tags", ()) if len(tag) > TAG or set(tag) & {"/", ","}]
    return f"400 Invalid input for tags: {bad[0]} is not valid" if bad else ""


def _by_id(fake: Fake, token: str, ident: str) -> Item:
    return next(item for item in fake.all(token) if item.id == ident)


def _port(fake: Fake, item: Item) -> dict[str, Any]:
    cidrs = [_by_id(fake, SUBNET, place["subnetId"])["cidr"] for place in item.inputs.get("fixedIps", ())]
    return {**_tagged(fake, item), "allFixedIps": [fake.address(cidr) for cidr in cidrs], "macAddress": "fa:16:3e:00:00:01"}


def _server(fake: Fake, item: Item) -> dict[str, Any]:
    port = _by_id(fake, PORT, item.inputs["networks"][0]["port"])
    return {
        **_tagged(fake, item), "accessIpV4": port["allFixedIps"][0], "powerState": "active", "created": "", "updated": "",
        "flavorId": FLAVORS[item.inputs["flavorName"]][0], "allMetadata": item.inputs.get("metadata", {}),
    }  # fmt: skip


def _server_fits(fake: Fake, item: Item) -> str:
    given = item.inputs
    if not given.get("imageId") and not any(disk.get("bootIndex") == 0 for disk in given.get("blockDevices", ())):
        return "400 Invalid imageRef provided: a server needs an image or a disk to boot from"
    if len(base64.b64encode(str(given.get("userData", "")).encode())) > USER_DATA:
        return "400 User data too large. User data must be no larger than 65535 bytes once base64 encoded"
    if bad := [key for key in given.get("metadata", {}) if not re.fullmatch(r"[a-zA-Z0-9-_:. ]{1,255}", key)]:
        return f"400 Invalid input for metadata: {bad[0]}"
    mine = {net["port"] for net in given["networks"]}
    if taken := [
        other for other in fake.all(SERVER) if other.id != item.id and mine & {net["port"] for net in other["networks"]}
    ]:
        return f"409 Port is still in use by {taken[0].name}"
    return _tags_fit(fake, item)


def _rule_fits(fake: Fake, item: Item) -> str:
    given, content = item.inputs, ("securityGroupId", "direction", "ethertype", "protocol", "portRangeMin", "portRangeMax")
    prefix = given.get("remoteIpPrefix", "0.0.0.0/0")
    if f"IPv{ip_network(prefix).version}" != given["ethertype"]:
        return f"400 Conflicting value ethertype {given['ethertype']} for CIDR {prefix}"
    same = [other for other in fake.all(RULE) if other.id != item.id and all(other[key] == item[key] for key in content)]
    return "409 Security group rule already exists" if prefix in [other["remoteIpPrefix"] for other in same] else ""


def _subnet_of(fake: Fake, port: str) -> str:
    """Of a server's port or a balancer's."""
    places = {item.id: item["fixedIps"][0]["subnetId"] for item in fake.all(PORT)}
    return (places | {item["vipPortId"]: item["vipSubnetId"] for item in fake.all(BALANCER)}).get(port, "")


def _floating_fits(fake: Fake, item: Item) -> str:
    port = item.inputs.get("portId")
    if port and not (subnet := _subnet_of(fake, port)):
        return f"404 Port {port} could not be found"
    if port and subnet not in [way["subnetId"] for way in fake.all(INTERFACE)]:
        return f"404 External network is not reachable from subnet {subnet}. Therefore, cannot associate Port {port}"
    return _tags_fit(fake, item)


def _once(*names: str) -> Any:
    """No two of a kind may have all of these in common."""

    def fits(fake: Fake, item: Item) -> str:
        same = [other for other in fake.all(item.token) if all(other[name] == item[name] for name in names)]
        return "409 Conflict: it already exists" if any(other.id != item.id for other in same) else _tags_fit(fake, item)

    return fits


def _listener_fits(fake: Fake, item: Item) -> str:
    wrong = [cidr for cidr in item.inputs.get("allowedCidrs", ()) if ip_network(cidr).version != 4]
    return f"400 Allowed CIDR {wrong[0]} is not of the address version of the VIP" if wrong else _tags_fit(fake, item)


class Fake(base.Fake):
    """Kinds, catalogues and functions of OpenStack."""

    plugin = "openstack"
    image = IMAGES["Debian 12"]  # one that every size can run
    credential = ("password", "applicationCredentialSecret")
    catalogues = {
        "dns zone": frozenset({zones.ZONE_ID}),
        "zone": frozenset(ZONES),
        "flavor": frozenset(FLAVORS),
        "image": frozenset(IMAGES.values()),
        "outside": frozenset(OUTSIDE),
        "outside id": frozenset(OUTSIDE.values()),
        "volume type": frozenset({"ssd", "hdd"}),
        "policy": frozenset({"affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"}),
    }
    texts = {
        **base.Fake.texts,
        "credentials": "Authentication failed: 401 The request you have made requires authentication.",
        "quota": "403 Quota exceeded for instances: Requested 1, but already used 10 of 10 instances",
        "capacity": "500 No valid host was found. There are not enough hosts available for {size} in {location}",
        "rate-limit": "429 Too Many Requests, Retry-After: {seconds}",
        "in-use": "409 Unable to complete operation on {what}: it is in use by {by}",
        "not-found": "404 {what} could not be found",
        "conflict": "409 {what} already exists",
    }
    rules = {
        RECORD: zones.record_set("zoneId", "name", "type", ident="{zoneId}/{name}{type}"),
        NETWORK: _rules(outputs=_tagged, checks=_tags_fit),
        SUBNET: _rules(
            refs={"networkId": Ref(token=NETWORK)}, replaces=frozenset({"networkId", "cidr", "ipVersion"}),
            outputs=_tagged, checks=_tags_fit,
        ),
        ROUTER: _rules(known={"externalNetworkId": "outside id"}, outputs=_tagged, checks=_tags_fit),
        INTERFACE: _rules(
            refs={"routerId": Ref(token=ROUTER), "subnetId": Ref(token=SUBNET)},
            replaces=frozenset({"routerId", "subnetId", "portId"}), outputs=lambda fake, item: {"portId": item.id},
        ),
        GROUP: _rules(outputs=_tagged, checks=_tags_fit),
        RULE: _rules(
            refs={"securityGroupId": Ref(token=GROUP, holds=False)}, checks=_rule_fits,
            replaces=frozenset({
                "securityGroupId", "direction", "ethertype", "protocol", "portRangeMin", "portRangeMax", "remoteIpPrefix",
                "description",
            }),
        ),
        KEY: _rules(
            unique="name", replaces=frozenset({"name", "publicKey"}), id=lambda fake, item: str(item.inputs["name"]),
            outputs=lambda fake, item: {"fingerprint": "aa:bb:cc", "privateKey": ""},
        ),
        APART: _rules(
            known={"policies": "policy"}, replaces=frozenset({"name", "policies"}), outputs=lambda fake, item: {"members": []}
        ),
        PORT: _rules(
            refs={
                "networkId": Ref(token=NETWORK), "fixedIps[].subnetId": Ref(token=SUBNET), "securityGroupIds[]": Ref(token=GROUP),
            },
            replaces=frozenset({"networkId"}), outputs=_port, checks=_tags_fit,
        ),
        SERVER: _rules(
            server=True, location="availabilityZone", size="flavorName", user_data="userData", address="accessIpV4",
            refs={
                "keyPair": Ref(token=KEY, by="name", holds=False),
                "networks[].port": Ref(token=PORT),
                "schedulerHints[].group": Ref(token=APART, holds=False),
            },
            known={
                "availabilityZone": "zone", "flavorName": "flavor", "imageId": "image", "blockDevices[].uuid": "image",
                "blockDevices[].volumeType": "volume type",
            },
            replaces=frozenset({
                "imageId", "userData", "keyPair", "availabilityZone", "networks", "blockDevices", "schedulerHints",
            }),
            outputs=_server, checks=_server_fits,
        ),
        FLOATING: _rules(
            known={"pool": "outside"}, replaces=frozenset({"pool", "address"}), checks=_floating_fits,
            outputs=lambda fake, item: {**_tagged(fake, item), "address": fake.address()},
        ),
        VOLUME: _rules(
            known={"volumeType": "volume type", "availabilityZone": "zone"}, replaces=frozenset({"availabilityZone", "imageId"}),
            outputs=lambda fake, item: {"attachments": [], "region": REGION},
        ),
        ATTACHED: _rules(
            refs={"instanceId": Ref(token=SERVER, holds=False), "volumeId": Ref(token=VOLUME)},
            replaces=frozenset({"instanceId", "volumeId", "device"}), outputs=lambda fake, item: {"device": "/dev/vdb"},
            id=lambda fake, item: f"{item.inputs['instanceId']}/{item.inputs['volumeId']}",
        ),
        BALANCER: _rules(
            refs={"vipSubnetId": Ref(token=SUBNET)}, replaces=frozenset({"vipSubnetId", "vipPortId"}), checks=_tags_fit,
            outputs=lambda fake, item: {
                "vipPortId": _uuid(fake, item),
                "vipAddress": fake.address(_by_id(fake, SUBNET, item.inputs["vipSubnetId"])["cidr"]),
            },
        ),
        LISTENER: _rules(
            refs={"loadbalancerId": Ref(token=BALANCER)}, replaces=frozenset({"loadbalancerId", "protocol", "protocolPort"}),
            checks=_listener_fits,
        ),
        POOL: _rules(
            refs={"listenerId": Ref(token=LISTENER)}, replaces=frozenset({"listenerId", "protocol"}), checks=_tags_fit
        ),
        MONITOR: _rules(
            refs={"poolId": Ref(token=POOL, holds=False)}, replaces=frozenset({"poolId", "type"}), checks=_once("poolId"),
        ),
        MEMBER: _rules(
            refs={"poolId": Ref(token=POOL, holds=False), "subnetId": Ref(token=SUBNET)},
            checks=_once("poolId", "address", "protocolPort"), alias=lambda item: f"{item['poolId']}/{item.id}",
            replaces=frozenset({"poolId", "address", "protocolPort", "subnetId"}),
        ),
    }  # fmt: skip

    def address(self, cidr: str = "203.0.113.0/24") -> str:
        """Ports hold their addresses in lists, which the base does not look into."""
        taken = {value for item in self.all(PORT) for value in item.outputs.get("allFixedIps", ())}
        taken |= {item["vipAddress"] for item in self.all(BALANCER)}
        hosts = (str(host) for host in itertools.islice(ip_network(cidr).hosts(), 10, None))
        return super().address(cidr) if cidr == "203.0.113.0/24" else next(host for host in hosts if host not in taken)

    def delete(self, token: str, ident: str) -> None:
        """With its parts."""
        super().delete(token, ident)
        with self.lock:
            parts = [key for key, item in self.items.items() if item[PARTS.get(item.token, "")] == ident]
            for key in parts:
                del self.items[key]

    def _users(self, item: Item) -> Iterator[Item]:
        """A router's interface is held by the public addresses behind it, too."""
        yield from super()._users(item)
        if item.token == INTERFACE:
            yield from (other for other in self.all(FLOATING) if _subnet_of(self, str(other["portId"])) == item["subnetId"])

    def _ports(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args.get("deviceOwner") == "network:router_interface":
            return {"ids": [item.id for item in self.all(INTERFACE) if item["routerId"] == args["deviceId"]]}
        return {"ids": [item.id for item in self.all(PORT) if _has_tags(item, args)]}

    def _port_of(self, args: Mapping[str, Any]) -> dict[str, Any]:
        item = _one([item for item in self.all(PORT) if item.id == args["portId"]], "No Port found")
        holders = [server.id for server in self.all(SERVER) if item.id in {net["port"] for net in server["networks"]}]
        told = {name: item[name] for name in ("name", "networkId", "allFixedIps", "allTags", "region")}
        return {"id": item.id, **told, "deviceId": next(iter(holders), "")}

    def _network(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args.get("external"):
            rows = [(name, ident) for name, ident in OUTSIDE.items() if args.get("name") in (None, name)]
            name, ident = _one(rows)
            return {"id": ident, "name": name, "region": REGION}
        return self._found(NETWORK, args)

    def _found(self, token: str, args: Mapping[str, Any], none: str = "") -> dict[str, Any]:
        """The one of a kind that has these tags and these properties."""
        wanted = {key: value for key, value in args.items() if key != "tags"}
        fit = [item for item in self.all(token) if _has_tags(item, args)]
        item = _one([item for item in fit if all(item[key] == value for key, value in wanted.items())], none)
        return {"id": item.id, "name": item.get("name", "")}

    def _floating(self, args: Mapping[str, Any]) -> dict[str, Any]:
        found = self._found(FLOATING, args, "No openstack_networking_floatingip_v2 found")
        item = _by_id(self, FLOATING, found["id"])
        return {"id": item.id, **{name: item[name] for name in ("address", "portId", "allTags", "description")}}

    def _instance(self, args: Mapping[str, Any]) -> dict[str, Any]:
        item = _one([item for item in self.all(SERVER) if item.id == args["id"]], f"404 Instance {args['id']} could not be found")
        told = ("name", "powerState", "availabilityZone", "flavorName", "metadata", "region", "keyPair")
        return {"id": item.id, **{name: item[name] for name in told}}

    def _balancer(self, args: Mapping[str, Any]) -> dict[str, Any]:
        found = self._found(BALANCER, args)
        listeners = [{"id": item.id} for item in self.all(LISTENER) if item["loadbalancerId"] == found["id"]]
        pools = [{"id": item.id} for item in self.all(POOL) if {"id": item["listenerId"]} in listeners]
        return {**found, "listeners": listeners, "pools": pools}

    def _pool(self, args: Mapping[str, Any]) -> dict[str, Any]:
        pool = _one([item for item in self.all(POOL) if item.id == args["poolId"]], "404 no pool found")
        watch = next((item.id for item in self.all(MONITOR) if item["poolId"] == pool.id), "")
        members = [{"id": item.id, "name": item["name"]} for item in self.all(MEMBER) if item["poolId"] == pool.id]
        return {"id": pool.id, "name": pool["name"], "healthmonitorId": watch, "members": members}

    def _image(self, args: Mapping[str, Any]) -> dict[str, Any]:
        fits = [
            (name, ident)
            for name, ident in IMAGES.items()
            if args.get("name") in (None, name) and re.search(args.get("nameRegex") or "", name)
        ]
        name, ident = _one(fits)
        return {"id": ident, "name": name}

    def _limits(self, args: Mapping[str, Any]) -> dict[str, Any]:
        sizes = [FLAVORS[server["flavorName"]] for server in self.all(SERVER)]
        most = -1 if self.faults.quota is None else self.faults.quota
        return {
            "maxTotalInstances": most, "totalInstancesUsed": len(sizes), "maxTotalCores": 100,
            "totalCoresUsed": sum(size[1] for size in sizes), "maxTotalRamSize": 204800,
            "totalRamUsed": sum(size[2] for size in sizes),
        }  # fmt: skip

    def _flavor(self, args: Mapping[str, Any]) -> dict[str, Any]:
        ident, cpus, memory = _one([size for name, size in FLAVORS.items() if name == args["name"]])
        return {"id": ident, "name": args["name"], "vcpus": cpus, "ram": memory, "disk": 20}

    def _zone(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args.get("name") != f"{zones.ZONE}.":
            raise Refused("Your query returned no results")
        return {"name": f"{zones.ZONE}.", "id": zones.ZONE_ID}

    functions = {
        "openstack:dns/getDnsZone:getDnsZone": _zone,
        "openstack:networking/getPortIds:getPortIds": _ports,
        "openstack:loadbalancer/getPoolV2:getPoolV2": _pool,
        "openstack:networking/getPort:getPort": _port_of,
        "openstack:networking/getNetwork:getNetwork": _network,
        "openstack:networking/getSubnet:getSubnet": lambda fake, args: fake._found(SUBNET, args),
        "openstack:networking/getRouter:getRouter": lambda fake, args: fake._found(ROUTER, args, "No Router found"),
        "openstack:networking/getSecGroup:getSecGroup": lambda fake, args: fake._found(GROUP, args, "No Security Group found"),
        "openstack:networking/getFloatingIp:getFloatingIp": _floating,
        "openstack:compute/getKeypair:getKeypair": lambda fake, args: fake._found(KEY, args, "404 Keypair could not be found"),
        "openstack:compute/getServergroupV2:getServergroupV2": lambda fake, args: fake._found(
            APART, args, f"Could not find any servergroup with this name: {args['name']}"
        ),
        "openstack:compute/getInstanceV2:getInstanceV2": _instance,
        "openstack:compute/getFlavor:getFlavor": _flavor,
        "openstack:compute/getAvailabilityZones:getAvailabilityZones": lambda fake, args: {"names": list(ZONES)},
        "openstack:compute/getLimitsV2:getLimitsV2": _limits,
        "openstack:blockstorage/getVolumeV3:getVolumeV3": lambda fake, args: fake._found(VOLUME, args),
        "openstack:loadbalancer/getLoadbalancerV2:getLoadbalancerV2": _balancer,
        "openstack:images/getImage:getImage": _image,
        "openstack:identity/getAuthScope:getAuthScope": lambda fake, args: {"projectId": PROJECT, "region": REGION},
    }


def _has_tags(item: Item, args: Mapping[str, Any]) -> bool:
    return {*args.get("tags", ())} <= {*item.get("tags", ())}


def _one(rows: list[Any], none: str = "") -> Any:
    if len(rows) > 1:
        raise Refused("Your query returned more than one result. Please try a more specific search criteria")
    if not rows:
        raise Refused(none or "Your query returned no results. Please change your search criteria and try again")
    return rows[0]
