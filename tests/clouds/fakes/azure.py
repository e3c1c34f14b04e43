"""A fake of Microsoft Azure: one subscription, as the classic (bridged) plugin shows it."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from tests.clouds.fakes import base, zones
from tests.clouds.fakes.rules import Item, Ref, Rules

RECORDS = {
    f"azure:dns/{kind[0].lower()}{kind[1:]}:{kind}": zones.record_set(
        "zoneName", "resourceGroupName", "name", ident=f"/dnsZones/{{zoneName}}/{kind}/{{name}}"
    )
    for kind in ("ARecord", "AaaaRecord", "CNameRecord", "TxtRecord")
}
SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
_N, _C = "azure:network/", "azure:compute/"
RESOURCES = "azure:core/resourceGroup:ResourceGroup"
NETWORK, SUBNET = f"{_N}virtualNetwork:VirtualNetwork", f"{_N}subnet:Subnet"
GUARD = f"{_N}networkSecurityGroup:NetworkSecurityGroup"
GUARDED = f"{_N}subnetNetworkSecurityGroupAssociation:SubnetNetworkSecurityGroupAssociation"
ADDRESS, INTERFACE = f"{_N}publicIp:PublicIp", f"{_N}networkInterface:NetworkInterface"
NAT, NAT_OUT = f"{_N}natGateway:NatGateway", f"{_N}natGatewayPublicIpAssociation:NatGatewayPublicIpAssociation"
NAT_FOR = f"{_N}subnetNatGatewayAssociation:SubnetNatGatewayAssociation"
MACHINE, SPREAD = f"{_C}linuxVirtualMachine:LinuxVirtualMachine", f"{_C}availabilitySet:AvailabilitySet"
DISK, ATTACHED = f"{_C}managedDisk:ManagedDisk", f"{_C}dataDiskAttachment:DataDiskAttachment"
BALANCER, POOL = "azure:lb/loadBalancer:LoadBalancer", "azure:lb/backendAddressPool:BackendAddressPool"
MEMBER = "azure:lb/backendAddressPoolAddress:BackendAddressPoolAddress"
PROBE, RULE = "azure:lb/probe:Probe", "azure:lb/rule:Rule"

TYPES = {  # what has tags and is a resource of its own
    NETWORK: "Microsoft.Network/virtualNetworks",
    GUARD: "Microsoft.Network/networkSecurityGroups",
    ADDRESS: "Microsoft.Network/publicIPAddresses",
    INTERFACE: "Microsoft.Network/networkInterfaces",
    NAT: "Microsoft.Network/natGateways",
    MACHINE: "Microsoft.Compute/virtualMachines",
    SPREAD: "Microsoft.Compute/availabilitySets",
    DISK: "Microsoft.Compute/disks",
    BALANCER: "Microsoft.Network/loadBalancers",
}
REGIONS = {"westeurope": ("1", "2", "3"), "westus": ()}
SIZES = {"Standard_D2s_v5", "Standard_D4s_v5", "Standard_D2ps_v5"}
IMAGES = {
    ("Debian", "debian-12", "12-gen2"): "0.20260101.2000",
    ("Debian", "debian-13", "13-gen2"): "0.20260101.2001",
    ("Canonical", "ubuntu-24_04-lts", "server"): "24.04.202601010",
    ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"): "22.04.202601010",
}


def _id(fake: Fake, item: Item) -> str:
    return f"{SUBSCRIPTION}/resourceGroups/{item.inputs['resourceGroupName']}/providers/{TYPES[item.token]}/{item.inputs['name']}"


def _below(parent: str, word: str) -> Callable[[Fake, Item], str]:
    """The id of a part of another resource."""
    return lambda fake, item: f"{item.inputs[parent]}/{word}/{item.inputs['name']}"


def _subnet_id(fake: Fake, item: Item) -> str:
    return f"{_network_of(fake, item).id}/subnets/{item.inputs['name']}"


def _network_of(fake: Fake, item: Item) -> Item:
    return next(other for other in fake.all(NETWORK) if other["name"] == item.inputs["virtualNetworkName"])


def _interface(fake: Fake, item: Item) -> dict[str, Any]:
    given = item.inputs["ipConfigurations"][0]
    subnet = next(other for other in fake.all(SUBNET) if other.id == given["subnetId"])
    return {"privateIpAddress": fake.address(subnet["addressPrefixes"][0]), "macAddress": "00-0D-3A-00-00-01"}


def _taken(fake: Fake, item: Item) -> str:
    """Regions and names: a name is taken once per kind and group."""
    group = next((other for other in fake.all(RESOURCES) if other["name"] == item.inputs.get("resourceGroupName")), None)
    twins = [other for other in fake.all(item.token) if other.id != item.id and other["name"] == item.inputs["name"]]
    if any(other.get("resourceGroupName") == item.inputs.get("resourceGroupName") for other in twins):
        return fake.texts["conflict"].format(what=item.inputs["name"])
    if group and item.inputs.get("location") not in (None, group["location"]):
        return f"LocationNotAvailable: {item.inputs['name']} is not in the region of its group"
    return ""


def _public(fake: Fake, item: Item) -> str:
    fixed = item.inputs.get("sku", "Standard") != "Standard" or item.inputs["allocationMethod"] == "Static"
    return _taken(fake, item) if fixed else "PublicIPAddressAllocationMethod: Standard sku publicIp must be Static"


def _rules(fake: Fake, item: Item) -> str:
    rules = item.inputs.get("securityRules", [])
    if len({rule["priority"] for rule in rules}) < len(rules) or any(not 100 <= rule["priority"] <= 4096 for rule in rules):
        return "SecurityRuleConflict: priorities are from 100 to 4096, each once"
    for rule in rules:
        if ("sourceAddressPrefix" in rule) == ("sourceAddressPrefixes" in rule):
            return f"SecurityRuleInvalid: {rule['name']} needs either one source prefix or a list of them"
        if any("/" not in prefix for prefix in rule.get("sourceAddressPrefixes", ())):
            return f"SecurityRuleInvalid: {rule['name']}: words cannot be in a list of prefixes"
    return _taken(fake, item)


def _inside(fake: Fake, item: Item) -> str:
    """A subnet is in its network and overlaps no other."""
    wanted = ipaddress.ip_network(item.inputs["addressPrefixes"][0])
    if not any(wanted.subnet_of(ipaddress.ip_network(cidr)) for cidr in _network_of(fake, item)["addressSpaces"]):  # type: ignore[arg-type]
        return f"NetcfgInvalidSubnet: {wanted} is not in the network"
    others = [other for other in fake.all(SUBNET) if other.id != item.id]
    if any(wanted.overlaps(ipaddress.ip_network(other["addressPrefixes"][0])) for other in others):
        return f"NetcfgSubnetRangesOverlap: {wanted} overlaps another subnet"
    return ""


def _machine(fake: Fake, item: Item) -> str:
    inputs = item.inputs
    try:
        base64.b64decode(inputs.get("customData", ""), validate=True)
    except binascii.Error:
        return "InvalidParameter: customData must be base64"
    if len(inputs.get("customData", "")) > 87380:  # 64 KiB
        return "InvalidParameter: customData is too long"
    if inputs.get("availabilitySetId") and (inputs.get("zone") or inputs.get("priority") == "Spot"):
        return "InvalidParameter: a machine in a zone, or a spot machine, cannot be in an availability set"
    if inputs.get("zone") and inputs["zone"] not in REGIONS[inputs["location"]]:
        return f"InvalidAvailabilityZone: {inputs['location']} has no zone {inputs['zone']}"
    if inputs.get("priority") == "Spot" and not inputs.get("evictionPolicy"):
        return "an `eviction_policy` must be specified when `priority` is set to `Spot`"
    if not inputs.get("adminSshKeys"):
        return "at least one `admin_ssh_key` must be specified when `disable_password_authentication` is set to `true`"
    image = inputs.get("sourceImageReference")
    if (image is None) == (inputs.get("sourceImageId") is None):
        return "one of `source_image_id,source_image_reference` must be specified"
    if image and IMAGES.get((image["publisher"], image["offer"], image["sku"])) != image["version"]:
        return fake.texts["not-found"].format(what=f"PlatformImage {image['offer']} {image['version']}")
    return _taken(fake, item)


def _one_lun(fake: Fake, item: Item) -> str:
    same = [other for other in fake.all(ATTACHED) if other.id != item.id]
    used = [other["lun"] for other in same if other["virtualMachineId"] == item.inputs["virtualMachineId"]]
    return f"InvalidParameter: LUN {item.inputs['lun']} is in use" if item.inputs["lun"] in used else ""


def _of_network(fake: Fake, item: Item) -> str:
    nics = {other["privateIpAddress"] for other in fake.all(INTERFACE)}
    return "" if item.inputs["ipAddress"] in nics else f"no machine of the network has {item.inputs['ipAddress']}"


def _made(*replaces: str, refs: Mapping[str, Ref] | None = None, **more: Any) -> Rules:
    """What all resources of their own have in common: a group, a region, tags."""
    common: dict[str, Any] = {"id": _id, "checks": _taken, "known": {"location": "region"}}
    refs = {"resourceGroupName": Ref(token=RESOURCES, by="name"), **(refs or {})}
    return Rules(replaces=frozenset({"name", "location", "resourceGroupName", *replaces}), refs=refs, **{**common, **more})


def _part(parent: str, owner: str, word: str, refs: Mapping[str, Ref] | None = None, **more: Any) -> Rules:
    """What is a part of a balancer: goes with it."""
    own = {parent: Ref(token=owner, holds=False), **(refs or {})}
    return Rules(replaces=frozenset({"name", parent}), refs=own, id=_below(parent, word), **more)


def _link(refs: Mapping[str, Ref], ident: Callable[[Fake, Item], str], *more: str, **rules: Any) -> Rules:
    """An association of two resources: any change makes a new one."""
    return Rules(refs=refs, replaces=frozenset({*refs, *more}), id=ident, **rules)


class Fake(base.Fake):
    """Kinds, catalogues and functions of Azure."""

    plugin = "azure"
    image = "Debian:debian-12:12-gen2:0.20260101.2000"
    credential = ("clientSecret",)
    catalogues = {
        "dns zone": frozenset({zones.ZONE}),
        "region": frozenset(REGIONS),
        "size": frozenset(SIZES),
        "disk_type": frozenset({"Standard_LRS", "StandardSSD_LRS", "Premium_LRS"}),
    }
    texts = {
        **base.Fake.texts,
        "credentials": "AADSTS7000215: Invalid client secret provided.",
        "quota": "OperationNotAllowed: the operation results in exceeding approved Total Regional Cores quota",
        "capacity": "SkuNotAvailable: The requested size {size} is currently not available in location '{location}'.",
        "rate-limit": "TooManyRequests: The request is being throttled, Retry-After: {seconds}",
        "in-use": "InUseCannotBeDeleted: {what} is in use by {by} and cannot be deleted.",
        "not-found": "ResourceNotFound: {what} was not found",
        "conflict": "A resource with the ID {what} already exists - it needs to be imported",
    }
    rules = {
        **RECORDS,
        RESOURCES: Rules(
            replaces=frozenset({"name", "location"}), known={"location": "region"}, unique="name",
            id=lambda fake, item: f"{SUBSCRIPTION}/resourceGroups/{item.inputs['name']}",
        ),
        NETWORK: _made(),
        SUBNET: Rules(
            refs={
                "resourceGroupName": Ref(token=RESOURCES, by="name"),
                "virtualNetworkName": Ref(token=NETWORK, by="name", holds=False),
            },
            replaces=frozenset({"name", "resourceGroupName", "virtualNetworkName"}), id=_subnet_id, checks=_inside,
        ),
        GUARD: _made(checks=_rules),
        GUARDED: _link(
            {"subnetId": Ref(token=SUBNET, holds=False), "networkSecurityGroupId": Ref(token=GUARD)},
            lambda fake, item: str(item.inputs["subnetId"]),
        ),
        ADDRESS: _made(
            "sku", "zones", checks=_public, outputs=lambda fake, item: {"ipAddress": fake.address(), "fqdn": ""},
        ),
        INTERFACE: _made(
            refs={"ipConfigurations[].subnetId": Ref(token=SUBNET), "ipConfigurations[].publicIpAddressId": Ref(token=ADDRESS)},
            outputs=_interface,
        ),
        NAT: _made("skuName", "zones"),
        NAT_OUT: _link(
            {"natGatewayId": Ref(token=NAT, holds=False), "publicIpAddressId": Ref(token=ADDRESS)},
            lambda fake, item: f"{item.inputs['natGatewayId']}|{item.inputs['publicIpAddressId']}",
        ),
        NAT_FOR: _link(
            {"natGatewayId": Ref(token=NAT), "subnetId": Ref(token=SUBNET, holds=False)},
            lambda fake, item: str(item.inputs["subnetId"]),
        ),
        SPREAD: _made("platformFaultDomainCount", "platformUpdateDomainCount", "managed"),
        MACHINE: _made(
            "adminUsername", "adminSshKeys", "customData", "sourceImageReference", "sourceImageId", "zone", "availabilitySetId",
            "priority", "evictionPolicy", "computerName",
            refs={"networkInterfaceIds[]": Ref(token=INTERFACE), "availabilitySetId": Ref(token=SPREAD)},
            known={"location": "region", "size": "size", "osDisk.storageAccountType": "disk_type"},
            server=True, location="location", size="size", user_data="customData", checks=_machine,
        ),
        DISK: _made("zone", "createOption", known={"location": "region", "storageAccountType": "disk_type"}),
        ATTACHED: _link(
            {"virtualMachineId": Ref(token=MACHINE), "managedDiskId": Ref(token=DISK)},
            lambda fake, item: f"{item.inputs['virtualMachineId']}/dataDisks/{item.inputs['managedDiskId'].rpartition('/')[2]}",
            "lun", checks=_one_lun,
        ),
        BALANCER: _made("sku", refs={"frontendIpConfigurations[].publicIpAddressId": Ref(token=ADDRESS)}),
        POOL: _part("loadbalancerId", BALANCER, "backendAddressPools"),
        PROBE: _part("loadbalancerId", BALANCER, "probes"),
        RULE: _part(
            "loadbalancerId", BALANCER, "loadBalancingRules",
            refs={"probeId": Ref(token=PROBE), "backendAddressPoolIds[]": Ref(token=POOL)},
        ),
        MEMBER: _part(
            "backendAddressPoolId", POOL, "addresses",
            refs={"virtualNetworkId": Ref(token=NETWORK, holds=False)}, checks=_of_network,
        ),
    }  # fmt: skip

    def _listed(self, args: Mapping[str, Any]) -> dict[str, Any]:
        rows = []
        for item in self.items.values():
            if item.token in TYPES and item["resourceGroupName"] == args.get("resourceGroupName"):
                rows.append(_row(item, item.id, TYPES[item.token], item["name"], item.get("tags", {})))
            if item.token == MACHINE:  # its system disk has no tags
                disk = item["osDisk"]["name"]
                rows.append(
                    _row(item, item.id.replace("virtualMachines", "disks").replace(item["name"], disk), TYPES[DISK], disk, {})
                )
        wanted = args.get("requiredTags") or {}
        return {"resources": [row for row in rows if wanted.items() <= row["tags"].items()]}

    def _group(self, args: Mapping[str, Any]) -> dict[str, Any]:
        for item in self.all(RESOURCES):
            if item["name"] == args["name"]:
                return {"id": item.id, "location": item["location"], "tags": item.get("tags", {})}
        raise self.refuse("not-found", what=f"Resource Group {args['name']}")

    def _state(self, args: Mapping[str, Any]) -> dict[str, Any]:
        for item in self.all(MACHINE):
            if item["name"] == args["name"] and item["resourceGroupName"] == args["resourceGroupName"]:
                nic = next(other for other in self.all(INTERFACE) if other.id == item["networkInterfaceIds"][0])
                address = nic["ipConfigurations"][0].get("publicIpAddressId")
                public = next((other["ipAddress"] for other in self.all(ADDRESS) if other.id == address), "")
                told = {"privateIpAddress": nic["privateIpAddress"], "publicIpAddress": public, "powerState": "running"}
                return {"id": item.id, "location": item["location"], **told}
        raise self.refuse("not-found", what=f"Virtual Machine {args['name']}")

    def _network(self, args: Mapping[str, Any]) -> dict[str, Any]:
        for item in self.all(NETWORK):
            if item["name"] == args["name"] and item["resourceGroupName"] == args["resourceGroupName"]:
                return {
                    "id": item.id,
                    "subnets": [it["name"] for it in self.all(SUBNET) if it["virtualNetworkName"] == item["name"]],
                }
        raise self.refuse("not-found", what=f"Virtual Network {args['name']}")

    def _region(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args["location"] not in REGIONS:
            raise self.refuse("not-found", what=f"location {args['location']}")
        zones = [{"logicalZone": zone, "physicalZone": f"{args['location']}-az{zone}"} for zone in REGIONS[args["location"]]]
        return {"displayName": args["location"], "zoneMappings": zones}

    def _image(self, args: Mapping[str, Any]) -> dict[str, Any]:
        version = IMAGES.get((args["publisher"], args["offer"], args["sku"]))
        if version is None or args.get("version") not in (None, version):
            raise self.refuse("not-found", what=f"PlatformImage {args['offer']}")
        return {"version": version}

    def _zone(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args.get("name") != zones.ZONE:
            raise self.refuse("not-found", what=f"DNS Zone {args.get('name')}")
        return {"name": zones.ZONE, "resourceGroupName": "names"}

    functions = {
        "azure:dns/getZone:getZone": _zone,
        "azure:core/getResources:getResources": _listed,
        "azure:core/getResourceGroup:getResourceGroup": _group,
        "azure:core/getLocation:getLocation": _region,
        "azure:network/getVirtualNetwork:getVirtualNetwork": _network,
        "azure:compute/getVirtualMachine:getVirtualMachine": _state,
        "azure:compute/getPlatformImage:getPlatformImage": _image,
    }


def _row(item: Item, ident: str, kind: str, name: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": ident, "name": name, "type": kind, "location": item["location"], "tags": dict(tags),
        "resourceGroupName": item["resourceGroupName"],
    }  # fmt: skip
