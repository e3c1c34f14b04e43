"""A fake of AWS: EC2, load balancers and the tagging service in the region eu-central-1."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.clouds.fakes import base, zones
from tests.clouds.fakes.rules import Item, Ref, Rules

RECORD = "aws:route53/record:Record"
VPC, SUBNET, INTERNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/internetGateway:InternetGateway"
TABLE, ROUTED = "aws:ec2/routeTable:RouteTable", "aws:ec2/routeTableAssociation:RouteTableAssociation"
GROUP, KEY, SPREAD = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/keyPair:KeyPair", "aws:ec2/placementGroup:PlacementGroup"
INSTANCE, VOLUME = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume"
ATTACHED, ADDRESS, NAT = "aws:ec2/volumeAttachment:VolumeAttachment", "aws:ec2/eip:Eip", "aws:ec2/natGateway:NatGateway"
BALANCER, TARGETS = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"
LISTENER, TARGET = "aws:lb/listener:Listener", "aws:lb/targetGroupAttachment:TargetGroupAttachment"

REGION = "eu-central-1"
ZONES = tuple(f"{REGION}{letter}" for letter in "abc")
TYPES = {"m7i.large": ("x86_64", 2, 8192), "m7i.xlarge": ("x86_64", 4, 16384), "t4g.medium": ("arm64", 2, 4096)}
IMAGES = {"ami-0debian12": "debian-12-amd64-20260901-2100", "ami-0debian13": "debian-13-amd64-20260901-2100"}
SPREAD_SIZE = 7  # instances of a spread placement group in one zone
ACCOUNT = "123456789012"
# Kind -> how its ARN goes on; those without one are not told by the tagging service.
ARNS = {
    VPC: "ec2:vpc", SUBNET: "ec2:subnet", INTERNET: "ec2:internet-gateway", TABLE: "ec2:route-table", GROUP: "ec2:security-group",
    KEY: "ec2:key-pair", SPREAD: "ec2:placement-group", INSTANCE: "ec2:instance", VOLUME: "ec2:volume",
    ADDRESS: "ec2:elastic-ip", NAT: "ec2:natgateway", BALANCER: "elasticloadbalancing:loadbalancer/net",
    TARGETS: "elasticloadbalancing:targetgroup",
}  # fmt: skip


def _arn(token: str, ident: str) -> str:
    service, _, kind = ARNS[token].partition(":")
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}/{ident}"


def _prefixed(prefix: str) -> Any:
    return lambda fake, item: f"{prefix}-{fake.number():017x}"


def _with_arn(fake: Fake, item: Item) -> dict[str, Any]:
    return {"arn": _arn(item.token, item.id)}


def _balancer(fake: Fake, item: Item) -> dict[str, Any]:
    return {"arn": item.id, "dnsName": f"api-{fake.number()}.elb.{REGION}.amazonaws.com", "vpcId": "", "zoneId": ""}


def _key(fake: Fake, item: Item) -> dict[str, Any]:
    return {"arn": _arn(KEY, "key-0123456789abcdef0"), "keyPairId": "key-0123456789abcdef0", "fingerprint": "aa:bb"}


def _instance(fake: Fake, item: Item) -> dict[str, Any]:
    subnet = next(other for other in fake.all(SUBNET) if other.id == item.inputs["subnetId"])
    public = fake.address() if item.inputs.get("associatePublicIpAddress") else ""
    return {
        "arn": _arn(INSTANCE, item.id), "publicIp": public, "privateIp": fake.address(subnet["cidrBlock"]),
        "instanceState": "running",
        "availabilityZone": subnet["availabilityZone"], "primaryNetworkInterfaceId": f"eni-{fake.number():017x}",
    }  # fmt: skip


def _zone(fake: Fake, item: Item) -> str:
    return str(next(other["availabilityZone"] for other in fake.all(SUBNET) if other.id == item.inputs["subnetId"]))


def _why_no_instance(fake: Fake, item: Item) -> str:
    image = IMAGES.get(item.inputs["ami"], "")
    kind = TYPES[item.inputs["instanceType"]][0].replace("x86_64", "amd64")
    if kind not in image:
        return f"InvalidParameterValue: the architecture of {image} is not that of {item.inputs['instanceType']}"
    group = item.inputs.get("placementGroup")
    mates = [
        other for other in fake.all(INSTANCE) if group and other.inputs.get("placementGroup") == group and other.id != item.id
    ]
    if sum(other["subnetId"] == item.inputs["subnetId"] for other in mates) >= SPREAD_SIZE:
        return "InsufficientInstanceCapacity: the spread placement group is full in this zone"
    if len(str(item.inputs.get("userData", ""))) > 16384:
        return "InvalidParameterValue: User data is limited to 16384 bytes"
    return ""


def _routed_already(fake: Fake, item: Item) -> str:
    twin = any(other["subnetId"] == item["subnetId"] and other.id != item.id for other in fake.all(ROUTED))
    return "api error Resource.AlreadyAssociated: the subnet has a route table already" if twin else ""


def _same_zone(fake: Fake, item: Item) -> str:
    volume = next(other for other in fake.all(VOLUME) if other.id == item.inputs["volumeId"])
    instance = next(other for other in fake.all(INSTANCE) if other.id == item.inputs["instanceId"])
    same = volume["availabilityZone"] == instance["availabilityZone"]
    return "" if same else "InvalidVolume.ZoneMismatch: the volume is not in the instance's zone"


def _attachable(fake: Fake, item: Item) -> str:
    taken = [other for other in fake.all(ATTACHED) if other["volumeId"] == item["volumeId"] and other.id != item.id]
    return f"VolumeInUse: {item['volumeId']} is already attached to an instance" if taken else _same_zone(fake, item)


class Fake(base.Fake):
    """Kinds, catalogues and functions of AWS."""

    plugin = "aws"
    account = "111122223333"
    image = "ami-0debian12"
    credential = ("accessKey", "secretKey")
    catalogues = {
        "dns zone": frozenset({zones.ZONE_ID}),
        "zone": frozenset(ZONES),
        "instance type": frozenset(TYPES),
        "InvalidAMIID": frozenset(IMAGES),
    }
    texts = {
        **base.Fake.texts,
        "credentials": "api error AuthFailure: AWS was not able to validate the provided access credentials",
        "quota": "api error VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit",
        "capacity": "api error InsufficientInstanceCapacity: not enough {size} in {location}",
        "rate-limit": "api error RequestLimitExceeded: Request limit exceeded. Retry-After: {seconds}",
        "in-use": "api error DependencyViolation: {what} has a dependent object: {by}",
        "not-found": "api error InvalidID.NotFound: {what} does not exist",
        "conflict": "api error InvalidGroup.Duplicate: {what} already exists",
    }
    rules = {
        RECORD: zones.record_set("zoneId", "name", "type", ident="{zoneId}_{name}_{type}"),
        VPC: Rules(id=_prefixed("vpc"), outputs=_with_arn, replaces=frozenset({"cidrBlock"})),
        INTERNET: Rules(id=_prefixed("igw"), outputs=_with_arn, refs={"vpcId": Ref(token=VPC)}),
        SUBNET: Rules(
            id=_prefixed("subnet"),
            outputs=_with_arn,
            refs={"vpcId": Ref(token=VPC)},
            known={"availabilityZone": "zone"},
            replaces=frozenset({"vpcId", "cidrBlock", "availabilityZone"}),
        ),
        TABLE: Rules(
            id=_prefixed("rtb"),
            outputs=_with_arn,
            refs={
                "vpcId": Ref(token=VPC),
                "routes[].gatewayId": Ref(token=INTERNET, holds=False),
                "routes[].natGatewayId": Ref(token=NAT, holds=False),
            },
            replaces=frozenset({"vpcId"}),
        ),
        ROUTED: Rules(
            alias=lambda item: f"{item['subnetId']}/{item['routeTableId']}",
            id=_prefixed("rtbassoc"),
            refs={"subnetId": Ref(token=SUBNET), "routeTableId": Ref(token=TABLE)},
            checks=_routed_already,
            replaces=frozenset({"subnetId"}),
        ),
        GROUP: Rules(
            id=_prefixed("sg"),
            outputs=_with_arn,
            refs={"vpcId": Ref(token=VPC)},
            unique="name",
            replaces=frozenset({"vpcId", "name", "description"}),
        ),
        KEY: Rules(
            id=lambda fake, item: str(item.inputs["keyName"]),
            outputs=_key,
            unique="keyName",
            replaces=frozenset({"publicKey"}),
        ),
        SPREAD: Rules(
            id=lambda fake, item: str(item.inputs["name"]),
            outputs=_with_arn,
            unique="name",
            replaces=frozenset({"strategy", "name"}),
        ),
        ADDRESS: Rules(
            id=_prefixed("eipalloc"), outputs=lambda fake, item: {**_with_arn(fake, item), "publicIp": fake.address()}
        ),
        NAT: Rules(
            id=_prefixed("nat"),
            refs={"allocationId": Ref(token=ADDRESS), "subnetId": Ref(token=SUBNET)},
            replaces=frozenset({"allocationId", "subnetId"}),
        ),
        INSTANCE: Rules(
            id=_prefixed("i"),
            server=True,
            refs={
                "subnetId": Ref(token=SUBNET),
                "vpcSecurityGroupIds[]": Ref(token=GROUP),
                "keyName": Ref(token=KEY, holds=False),
                "placementGroup": Ref(token=SPREAD),
            },
            known={"instanceType": "instance type", "ami": "InvalidAMIID"},
            replaces=frozenset(
                {"ami", "subnetId", "keyName", "placementGroup", "associatePublicIpAddress", "instanceMarketOptions"}
            ),
            location=_zone,
            size="instanceType",
            user_data="userData",
            address="publicIp",
            outputs=_instance,
            checks=_why_no_instance,
        ),
        VOLUME: Rules(
            id=_prefixed("vol"), outputs=_with_arn, known={"availabilityZone": "zone"}, replaces=frozenset({"availabilityZone"})
        ),
        ATTACHED: Rules(
            id=_prefixed("vai"),
            refs={"instanceId": Ref(token=INSTANCE, holds=False), "volumeId": Ref(token=VOLUME)},
            replaces=frozenset({"instanceId", "volumeId", "deviceName"}),
            checks=_attachable,
            alias=lambda item: f"{item['deviceName']}:{item['volumeId']}:{item['instanceId']}",
        ),
        BALANCER: Rules(
            id=lambda fake, item: _arn(BALANCER, f"api-{fake.number():x}/{fake.number():016x}"),
            outputs=_balancer,
            refs={"subnets[]": Ref(token=SUBNET), "securityGroups[]": Ref(token=GROUP)},
            replaces=frozenset({"loadBalancerType", "internal"}),
        ),
        TARGETS: Rules(
            id=lambda fake, item: _arn(TARGETS, f"api-{fake.number():x}/{fake.number():016x}"),
            outputs=lambda fake, item: {"arn": item.id},
            refs={"vpcId": Ref(token=VPC)},
            replaces=frozenset({"vpcId", "port", "protocol", "targetType"}),
        ),
        LISTENER: Rules(
            id=lambda fake, item: f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener/net/{fake.number():x}",
            outputs=lambda fake, item: {"arn": item.id},
            refs={"loadBalancerArn": Ref(token=BALANCER, by="arn", holds=False),
                  "defaultActions[].targetGroupArn": Ref(token=TARGETS, by="arn")},
            replaces=frozenset({"loadBalancerArn"}),
        ),
        TARGET: Rules(
            id=_prefixed("target"),
            refs={"targetGroupArn": Ref(token=TARGETS, by="arn", holds=False), "targetId": Ref(token=INSTANCE, holds=False)},
            replaces=frozenset({"targetGroupArn", "targetId", "port"}),
        ),
    }  # fmt: skip

    def _tagged(self, token: str, tags: Mapping[str, Any] | None) -> Iterator[Item]:
        return (item for item in self.all(token) if (tags or {}).items() <= item.get("tags", {}).items())

    def _ids(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return {"ids": [item.id for item in self._tagged(token, args.get("tags"))]}

    def _resources(self, args: Mapping[str, Any]) -> dict[str, Any]:
        def fits(item: Item) -> bool:
            tags = item.get("tags", {})
            return all(tags.get(rule["key"]) in rule["values"] for rule in args.get("tagFilters", ()))

        told = [item for token in ARNS for item in self.all(token) if fits(item)]
        return {
            "resourceTagMappingLists": [
                {"resourceArn": item.get("arn") or _arn(item.token, item.id), "tags": item.get("tags", {})} for item in told
            ]
        }

    def _one(self, args: Mapping[str, Any]) -> dict[str, Any]:
        item = next((item for item in self.all(INSTANCE) if item.id == args["instanceId"]), None)
        if item is None:
            raise self.refuse("not-found", what=f"instance {args['instanceId']}")
        names = ("publicIp", "privateIp", "availabilityZone", "instanceState", "instanceType", "ami", "subnetId")
        return {"id": item.id, **{name: item[name] for name in names}}

    def _offers(self, args: Mapping[str, Any]) -> dict[str, Any]:
        wanted = [name for rule in args.get("filters", ()) for name in rule["values"]] or [*TYPES]
        full = self.faults.full
        pairs = [(name, zone) for name in wanted if name in TYPES for zone in ZONES if not full & {zone, name, f"{name}@{zone}"}]
        return {"instanceTypes": [name for name, _ in pairs], "locations": [zone for _, zone in pairs]}

    def _type(self, args: Mapping[str, Any]) -> dict[str, Any]:
        name = args["instanceType"]
        if name not in TYPES:
            raise self.refuse("not-found", what=f"instance type {name}")
        kind, cpus, memory = TYPES[name]
        return {"defaultVcpus": cpus, "memorySize": memory, "supportedArchitectures": [kind]}

    def _ami(self, args: Mapping[str, Any]) -> dict[str, Any]:
        patterns = [pattern.rstrip("*") for rule in args.get("filters", ()) for pattern in rule["values"]]
        found = [ident for ident, name in IMAGES.items() if any(name.startswith(pattern) for pattern in patterns)]
        if not found or not args.get("owners"):
            raise self.refuse("not-found", what=f"image {patterns}")
        return {"id": found[0], "imageId": found[0]}

    def _zone(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args.get("name") != zones.ZONE:
            raise self.refuse("not-found", what=f"hosted zone {args.get('name')}")
        return {"name": zones.ZONE, "zoneId": zones.ZONE_ID, "privateZone": False}

    def _records(self, args: Mapping[str, Any]) -> dict[str, Any]:
        found = []
        for item in self.all(RECORD):
            quoted = [f'"{value}"' if item["type"] == "TXT" else value for value in item["records"]]
            name = f"{item['name']}."
            if re.search(args["nameRegex"], name):
                values = [{"value": value} for value in quoted]
                found.append({"name": name, "type": item["type"], "ttl": item["ttl"], "resourceRecords": values})
        return {"resourceRecordSets": found}

    functions = {
        "aws:index/getCallerIdentity:getCallerIdentity": lambda fake, args: {
            "accountId": fake.account,
            "arn": "arn:aws:iam::111122223333:user/sloth",
            "userId": "AIDA",
        },
        "aws:route53/getZone:getZone": _zone,
        "aws:route53/getRecords:getRecords": _records,
        "aws:index/getAvailabilityZones:getAvailabilityZones": lambda fake, args: {"names": [*ZONES]},
        "aws:ec2/getInstances:getInstances": lambda fake, args: fake._ids(INSTANCE, {"tags": args.get("instanceTags")}),
        "aws:ec2/getInstance:getInstance": _one,
        "aws:ebs/getEbsVolumes:getEbsVolumes": lambda fake, args: fake._ids(VOLUME, args),
        "aws:ec2/getNatGateways:getNatGateways": lambda fake, args: fake._ids(NAT, args),
        "aws:resourcegroupstaggingapi/getResources:getResources": _resources,
        "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _offers,
        "aws:ec2/getInstanceType:getInstanceType": _type,
        "aws:ec2/getAmi:getAmi": _ami,
        "aws:servicequotas/getServiceQuota:getServiceQuota": lambda fake, args: {"value": float(fake.limit)},
    }
