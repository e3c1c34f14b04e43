"""A fake of Vultr: one account."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from tests.clouds.fakes import base, zones
from tests.clouds.fakes.rules import Item, Ref, Refused, Rules

RECORD = "vultr:index/dnsRecord:DnsRecord"
VPC, GROUP, RULE = "vultr:index/vpc:Vpc", "vultr:index/firewallGroup:FirewallGroup", "vultr:index/firewallRule:FirewallRule"
KEY, INSTANCE = "vultr:index/sSHKey:SSHKey", "vultr:index/instance:Instance"
DISK, BALANCER = "vultr:index/blockStorage:BlockStorage", "vultr:index/loadBalancer:LoadBalancer"

REGIONS = {
    "fra": ("Frankfurt", "DE", "Europe"),
    "ams": ("Amsterdam", "NL", "Europe"),
    "ewr": ("New Jersey", "US", "North America"),
}
# Plan -> CPUs, MiB, where it can be had, price per month (made up).
PLANS = {
    "vc2-1c-2gb": (1, 2048, ("fra", "ams", "ewr"), 7.5),
    "vc2-2c-4gb": (2, 4096, ("fra", "ams", "ewr"), 15.0),
    "vc2-4c-8gb": (4, 8192, ("fra", "ams"), 30.0),
}
SYSTEMS = {
    "2136": ("Debian 12 x64 (bookworm)", "debian"),
    "2625": ("Debian 13 x64 (trixie)", "debian"),
    "2284": ("Ubuntu 24.04 LTS x64", "ubuntu"),
}
SMALLEST = {"high_perf": 10, "storage_opt": 40}  # GB


def _uuid(fake: Fake, item: Item) -> str:
    return str(uuid.UUID(int=fake.number()))


def _rules(**given: Any) -> Rules:
    return Rules(**{"id": _uuid, **given})


def _by_id(fake: Fake, token: str, ident: str) -> Item:
    return next(item for item in fake.all(token) if item.id == ident)


def _instance(fake: Fake, item: Item) -> dict[str, Any]:
    cpus, memory, _, _ = PLANS[item.inputs["plan"]]
    nets = [_by_id(fake, VPC, ident) for ident in item.inputs.get("vpcIds", ())]
    inside = [fake.address(f"{net['v4Subnet']}/{net['v4SubnetMask']}") for net in nets]
    return {
        "mainIp": fake.address(), "internalIp": next(iter(inside), ""), "status": "active", "powerStatus": "running",
        "serverStatus": "ok", "defaultPassword": "fake-root-password", "vcpuCount": cpus, "ram": memory, "disk": 80, "kvm": "",
        "os": SYSTEMS[str(item.inputs["osId"])][0], "features": [], "allowedBandwidth": 3000, "dateCreated": "",
        "netmaskV4": "255.255.254.0", "gatewayV4": "203.0.113.1", "v6MainIp": "", "v6Network": "", "v6NetworkSize": 0,
    }  # fmt: skip


def _instance_fits(fake: Fake, item: Item) -> str:
    plan, region = item.inputs["plan"], item.inputs["region"]
    if region not in PLANS[plan][2]:
        return f"Server add failed: plan {plan} is not available in the selected region {region}"
    away = [ident for ident in item.inputs.get("vpcIds", ()) if _by_id(fake, VPC, ident)["region"] != region]
    return f"Invalid VPC: {away[0]} is not in region {region}" if away else ""


def _network_fits(fake: Fake, item: Item) -> str:
    try:
        ip_network(f"{item.inputs['v4Subnet']}/{item.inputs['v4SubnetMask']}")
    except ValueError as error:
        return f"Invalid subnet: {error}"
    return ""


def _rule_fits(fake: Fake, item: Item) -> str:
    given = item.inputs
    try:
        version = ip_network(f"{given['subnet']}/{given['subnetSize']}").version
    except ValueError as error:
        return f"Invalid subnet: {error}"
    if given["ipType"] != f"v{version}":
        return f"Invalid ip_type {given['ipType']} for {given['subnet']}"
    if (given["protocol"] in ("tcp", "udp")) is not bool(given.get("port")):
        return f"Invalid port for protocol {given['protocol']}"
    content = ("firewallGroupId", "protocol", "subnet", "subnetSize", "port")
    twins = [other for other in fake.all(RULE) if other.id != item.id and all(other[key] == item[key] for key in content)]
    return "This rule is already defined" if twins else ""


def _disk_fits(fake: Fake, item: Item) -> str:
    least = SMALLEST[item.inputs["blockType"]]
    if item.inputs["sizeGb"] < least:
        return f"Invalid size: {item.inputs['blockType']} starts at {least} GB"
    holder = item.inputs.get("attachedToInstance")
    if holder and _by_id(fake, INSTANCE, holder)["region"] != item.inputs["region"]:
        return "Block storage and server are not in the same region"
    return ""


def _balancer_fits(fake: Fake, item: Item) -> str:
    region = item.inputs["region"]
    away = [ident for ident in item.inputs.get("attachedInstances", ()) if _by_id(fake, INSTANCE, ident)["region"] != region]
    return f"Invalid instance {away[0]}: not in region {region}" if away else ""


class Fake(base.Fake):
    """Kinds, catalogues and functions of Vultr."""

    plugin = "vultr"
    image = "2136"  # one that every size can run
    credential = ("apiKey",)
    catalogues = {
        "dns zone": frozenset({zones.ZONE}),
        "region": frozenset(REGIONS),
        "plan": frozenset(PLANS),
        "os": frozenset(SYSTEMS),
        "block_type": frozenset(SMALLEST),
    }
    texts = {
        **base.Fake.texts,
        "credentials": '{{"error":"Invalid API token.","status":401}}',
        "quota": '{{"error":"You have reached the maximum monthly fee limit for this account.","status":400}}',
        "capacity": '{{"error":"Plan {size} is not available in the selected region {location}","status":400}}',
        "rate-limit": '{{"error":"Rate limit exceeded, Retry-After: {seconds}","status":429}}',
        "in-use": '{{"error":"{what} is currently attached to {by}","status":400}}',
        "not-found": '{{"error":"Invalid {what}","status":404}}',
    }
    rules = {
        RECORD: zones.record("domain", "type"),
        VPC: _rules(
            known={"region": "region"}, replaces=frozenset({"region", "v4Subnet", "v4SubnetMask"}), checks=_network_fits,
            outputs=lambda fake, item: {"dateCreated": ""},
        ),
        GROUP: _rules(outputs=lambda fake, item: {"ruleCount": 0, "instanceCount": 0, "maxRuleCount": 50}),
        RULE: _rules(
            refs={"firewallGroupId": Ref(token=GROUP, holds=False)}, checks=_rule_fits,
            replaces=frozenset({"firewallGroupId", "ipType", "notes", "port", "protocol", "source", "subnet", "subnetSize"}),
            id=lambda fake, item: str(fake.number()),
        ),
        KEY: _rules(outputs=lambda fake, item: {"dateCreated": ""}),
        INSTANCE: _rules(
            server=True, location="region", size="plan", user_data="userData", address="mainIp",
            refs={
                "firewallGroupId": Ref(token=GROUP),
                "sshKeyIds[]": Ref(token=KEY, holds=False),
                "vpcIds[]": Ref(token=VPC),
            },
            known={"region": "region", "plan": "plan", "osId": "os"},
            replaces=frozenset({"region", "osId", "userData", "sshKeyIds", "hostname", "userScheme", "disablePublicIpv4"}),
            outputs=_instance, checks=_instance_fits,
        ),
        DISK: _rules(
            refs={"attachedToInstance": Ref(token=INSTANCE, holds=False)},
            known={"region": "region", "blockType": "block_type"}, replaces=frozenset({"region", "blockType"}),
            outputs=lambda fake, item: {"mountId": f"fra-{item.id[-8:]}", "status": "active", "cost": 1, "dateCreated": ""},
            checks=_disk_fits,
        ),
        BALANCER: _rules(
            refs={"vpc": Ref(token=VPC), "attachedInstances[]": Ref(token=INSTANCE, holds=False)},
            known={"region": "region"}, replaces=frozenset({"region"}), checks=_balancer_fits,
            outputs=lambda fake, item: {"ipv4": fake.address(), "ipv6": "", "status": "active", "hasSsl": False},
        ),
    }  # fmt: skip

    def delete(self, token: str, ident: str) -> None:
        """A firewall group takes its rules with it."""
        super().delete(token, ident)
        with self.lock:
            rules = [key for key, item in self.items.items() if item.token == RULE and item["firewallGroupId"] == ident]
            for key in rules:
                del self.items[key]

    def _stored(self, token: str, *names: str) -> list[dict[str, Any]]:
        return [{"id": item.id, **{name: item[name] for name in names}} for item in self.all(token)]

    def _instances(self, args: Mapping[str, Any]) -> dict[str, Any]:
        computed = ("mainIp", "internalIp", "status", "powerStatus", "serverStatus", "vcpuCount", "ram", "disk", "os")
        given = ("region", "plan", "osId", "label", "hostname", "tags", "firewallGroupId", "vpcIds")
        return {"instances": _filtered(self._stored(INSTANCE, *computed, *given), args)}

    def _disk(self, args: Mapping[str, Any]) -> dict[str, Any]:
        return _only(
            self._stored(DISK, "label", "region", "sizeGb", "blockType", "attachedToInstance", "mountId", "status"), args
        )

    def _plan(self, args: Mapping[str, Any]) -> dict[str, Any]:
        def free(name: str) -> list[str]:
            return [place for place in PLANS[name][2] if not self.faults.full & {place, name, f"{name}@{place}"}]

        rows = [
            {"id": name, "vcpuCount": cpus, "ram": memory, "locations": free(name), "monthlyCost": price, "type": "vc2"}
            for name, (cpus, memory, _, price) in PLANS.items()
        ]
        return _only(rows, args)

    def _domain(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args["domain"] != zones.ZONE:
            raise self.refuse("not-found", what="domain")
        return {"domain": zones.ZONE, "id": zones.ZONE}

    functions = {
        "vultr:index/getDnsDomain:getDnsDomain": _domain,
        "vultr:index/getInstances:getInstances": _instances,
        "vultr:index/getBlockStorage:getBlockStorage": _disk,
        "vultr:index/getLoadBalancer:getLoadBalancer": lambda fake, args: _only(
            fake._stored(BALANCER, "label", "region", "ipv4", "attachedInstances"), args
        ),
        "vultr:index/getFirewallGroup:getFirewallGroup": lambda fake, args: _only(fake._stored(GROUP, "description"), args),
        "vultr:index/getSshKey:getSshKey": lambda fake, args: _only(fake._stored(KEY, "name", "sshKey"), args),
        "vultr:index/getVpc:getVpc": lambda fake, args: _only(
            fake._stored(VPC, "description", "region", "v4Subnet", "v4SubnetMask"), args
        ),
        "vultr:index/getPlan:getPlan": _plan,
        "vultr:index/getRegion:getRegion": lambda fake, args: _only(
            [{"id": name, "city": city, "country": land, "continent": part} for name, (city, land, part) in REGIONS.items()], args
        ),
        "vultr:index/getOs:getOs": lambda fake, args: _only(
            [{"id": ident, "name": name, "family": family, "arch": "x64"} for ident, (name, family) in SYSTEMS.items()], args
        ),
    }


def _filtered(rows: list[dict[str, Any]], args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As the plugin filters: all filters must fit; a list has to hold all the values, anything else be one of them."""
    if not args.get("filters"):
        raise Refused("issue with filter: false")
    return [row for row in rows if all(_fits(row, each["name"], each["values"]) for each in args["filters"])]


def _fits(row: Mapping[str, Any], name: str, values: list[str]) -> bool:
    # Filters name a field of the cloud's interface (`v4_subnet`), which the SDK writes `v4Subnet`.
    head, *rest = name.split("_")
    found = row.get(head + "".join(part.capitalize() for part in rest))
    return set(values) <= set(found) if isinstance(found, list) else str(found) in values


def _only(rows: list[dict[str, Any]], args: Mapping[str, Any]) -> dict[str, Any]:
    found = _filtered(rows, args)
    if len(found) > 1:
        raise Refused("your search returned too many results. Please refine your search to be more specific")
    if not found:
        raise Refused("no results were found")
    return {key: value for key, value in found[0].items() if value is not None}
