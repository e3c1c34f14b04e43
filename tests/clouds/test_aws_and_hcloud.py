"""What only hcloud and aws have: their credentials, their checks of the spec, and details of their programs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sloth import registry
from sloth.errors import CredentialsError
from sloth.model.secret import Secret
from sloth.model.spec import AccessSpec, ClusterSpec, KubernetesSpec, PoolSpec
from tests.clouds import fakes, specs
from tests.clouds.graph import graph

AWS, HCLOUD = registry.provider("aws"), registry.provider("hcloud")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "clouds"
VARIABLES = (
    "HCLOUD_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)  # fmt: skip


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No credentials of whoever runs the tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def spec(provider, *locations, options=None, **more):
    pool = PoolSpec(
        name="control", role="control-plane", provider=provider, count=1, options={"location": [*locations], "size": "s"}
    )
    return ClusterSpec(name="shop", pools=(pool,), providers={provider: options or {}}, **more)


def codes(problems):
    return [problem.code for problem in problems]


def test_hcloud_takes_the_token_of_the_spec_before_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("HCLOUD_TOKEN", "of-the-environment")
    monkeypatch.setenv("OTHER", "of-the-spec")
    assert HCLOUD.environment(spec("hcloud", "fsn1")) == {"HCLOUD_TOKEN": Secret("of-the-environment")}
    given = spec("hcloud", "fsn1", options={"token": {"env": "OTHER"}})
    assert HCLOUD.environment(given) == {"HCLOUD_TOKEN": Secret("of-the-spec")}


def test_hcloud_without_a_token_says_where_it_looked():
    with pytest.raises(CredentialsError) as caught:
        HCLOUD.environment(spec("hcloud", "fsn1"))
    assert caught.value.code == "cloud/no-credentials"
    assert "HCLOUD_TOKEN" in caught.value.summary
    assert "spec.providers.hcloud.token" in caught.value.summary


def test_hcloud_refuses_locations_that_cannot_share_a_network():
    assert codes(HCLOUD.check(spec("hcloud", "fsn1", "hel1"))) == []
    problems = HCLOUD.check(spec("hcloud", "fsn1", "ash"))
    assert codes(problems) == ["cloud/network-zone"]
    assert "ash, fsn1" in problems[0].summary


def test_hcloud_refuses_a_balancer_that_would_be_open_to_all():
    balanced = KubernetesSpec(load_balancer="provider")
    assert codes(HCLOUD.check(spec("hcloud", "fsn1", kubernetes=balanced))) == ["cloud/open-balancer"]
    meant = spec("hcloud", "fsn1", kubernetes=balanced, access=AccessSpec(api=("0.0.0.0/0",)))
    assert codes(HCLOUD.check(meant)) == []


def test_hcloud_puts_the_network_into_the_zone_of_its_servers():
    plan = specs.plan(HCLOUD, "single")
    overseas = replace(plan, options={}, servers=(replace(plan.servers[0], location="ash"),))
    subnet = graph(HCLOUD, overseas).resources["hcloud:index/networkSubnet:NetworkSubnet subnet"]
    assert subnet["inputs"]["networkZone"] == "us-east"


@pytest.mark.parametrize("name", ["hcloud", "aws"])
def test_the_page_of_a_cloud_tells_every_option(name):
    schema = registry.provider(name).options_schema()
    page = (DOCS / f"{name}.md").read_text()
    able = registry.provider(name).abilities
    refused = {"public": not able.private, "spot": not able.spot, "volumes": not able.volumes}
    options = {*schema["provider"]["properties"], *schema["pool"]["properties"]}
    rows = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| ([^|]*) \| (?:provider|pool)", page, re.M))))
    assert rows == {option for option in options if not refused.get(option)}


def test_the_policy_of_aws_is_json_without_doubles():
    policy = json.loads(re.search(r"```json\n(.*?)```", (DOCS / "aws.md").read_text(), re.S)[1])
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert sorted(actions) == sorted(set(actions))
    assert not {"*", "ec2:*", "iam:PassRole"} & {*actions}


@pytest.mark.parametrize("name", ["hcloud", "aws"])
def test_nothing_is_open_but_the_mesh_and_ping_where_nobody_has_access(name):
    cloud = registry.provider(name)
    closed = replace(specs.plan(cloud, "ha"), access_ssh=(), access_api=())
    opened = []
    for key, made in graph(cloud, closed).resources.items():
        if "firewall" in key.lower() or "SecurityGroup" in key:
            rules = made["inputs"].get("rules") or made["inputs"]["ingress"]
            opened += [rule["description"] for rule in rules if rule.get("sourceIps") or rule.get("cidrBlocks")]
    assert sorted(opened) == ["mesh", "ping and path MTU"]


def test_aws_takes_keys_from_the_environment_with_the_region_of_the_zones(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-key")
    assert AWS.environment(spec("aws", "eu-west-1b")) == {
        "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": Secret("an-id"), "AWS_SECRET_ACCESS_KEY": Secret("a-key"),
    }  # fmt: skip


def test_aws_names_all_that_is_missing_at_once(monkeypatch):
    with pytest.raises(CredentialsError) as caught:
        AWS.environment(spec("aws", "eu-west-1b"))
    assert caught.value.code == "cloud/no-credentials"
    assert "AWS_ACCESS_KEY_ID" in caught.value.detail
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.detail
    broken = {"accessKeyId": {"env": "NOT_SET"}, "secretAccessKey": {"file": "/nowhere"}}
    with pytest.raises(CredentialsError) as caught:
        AWS.environment(spec("aws", "eu-west-1b", options=broken))
    assert "NOT_SET" in caught.value.detail
    assert "/nowhere" in caught.value.detail


def test_aws_leaves_the_other_ways_to_its_own_tools(monkeypatch):
    assert AWS.environment(spec("aws", "eu-west-1b", options={"profile": "work"})) == {
        "AWS_REGION": "eu-west-1", "AWS_PROFILE": "work",
    }  # fmt: skip
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token")
    assert AWS.environment(spec("aws", "eu-west-1b")) == {"AWS_REGION": "eu-west-1"}


@pytest.mark.parametrize("zones", [("eu-west-1a", "eu-central-1a"), ("eu-west-1",)])
def test_aws_refuses_zones_of_several_regions_and_regions_as_zones(zones):
    assert "cloud/network-zone" in codes(AWS.check(spec("aws", *zones)))
    assert codes(AWS.check(spec("aws", "eu-west-1a", "eu-west-1b"))) == []


@pytest.mark.parametrize("network", ["10.0.0.0/8", "10.120.0.0/24"])
def test_aws_refuses_networks_that_cannot_be_cut_into_subnets(network):
    assert codes(AWS.check(spec("aws", "eu-west-1a", options={"network": network}))) == ["cloud/network-size"]


def test_aws_cuts_the_network_by_the_letter_of_the_zone(monkeypatch):
    def blocks(zones):
        monkeypatch.setattr("tests.clouds.fakes.aws.ZONES", zones)
        made = graph(AWS, specs.plan(AWS, "private")).resources
        return {key.split(" ")[1]: item["inputs"]["cidrBlock"] for key, item in made.items() if ":Subnet " in key}

    few, many = blocks(("eu-central-1a", "eu-central-1c")), blocks(("eu-central-1a", "eu-central-1b", "eu-central-1c"))
    assert few == {name: many[name] for name in few}
    assert len(set(many.values())) == 6


def test_aws_servers_tell_their_metadata_to_nobody_but_themselves_and_encrypt_their_disks():
    made = graph(AWS, specs.plan(AWS, "pools")).resources
    for key, item in made.items():
        if ":Instance " in key:
            assert item["inputs"]["metadataOptions"] == {
                "httpEndpoint": "enabled",
                "httpPutResponseHopLimit": 1,
                "httpTokens": "required",
            }
            assert item["inputs"]["rootBlockDevice"]["encrypted"] is True
        if ":Volume " in key:
            assert item["inputs"]["encrypted"] is True
    assert made["aws:ec2/instance:Instance spot-1"]["inputs"]["instanceMarketOptions"]["marketType"] == "spot"
    assert "instanceMarketOptions" not in made["aws:ec2/instance:Instance work-1"]["inputs"]


def test_an_unknown_image_of_aws_is_left_out_of_the_catalogue():
    from sloth.model.cloud import Wanted
    from tests.clouds.graph import asked

    wanted = Wanted(sizes=("m7i.large",), locations=("eu-central-1a",), images=("debian-12", "beos-5", "ami-0mine"))
    offer = asked(AWS, lambda: AWS.catalogue(ClusterSpec(name="shop"), wanted))
    assert offer.images == {"debian-12": fakes.find("aws").image, "ami-0mine": "ami-0mine"}
    assert (offer.sizes["m7i.large"].cpus, offer.sizes["m7i.large"].memory) == (2, 8192)


def test_private_servers_of_aws_are_reached_through_a_public_one():
    from tests.clouds.fakes import aws
    from tests.clouds.graph import asked

    fake = aws.Fake()
    vpc = fake.create(aws.VPC, "network", {"cidrBlock": "10.0.0.0/16", "tags": {"sloth:cluster": "shop"}})
    place = {"vpcId": vpc.id, "cidrBlock": "10.0.0.0/24", "availabilityZone": "eu-central-1a"}
    subnet = fake.create(aws.SUBNET, "a", place)
    for name, public in (("control-1", True), ("work-1", False)):
        inputs = {"ami": aws.Fake.image, "instanceType": "m7i.large", "subnetId": subnet.id, "associatePublicIpAddress": public}
        fake.create(aws.INSTANCE, name, {**inputs, "tags": {"sloth:cluster": "shop", "sloth:node": name}})
    found = {item.node: item.machine for item in asked(AWS, lambda: AWS.survey(ClusterSpec(name="shop")), fake) if item.machine}
    assert found["control-1"].jump is None
    assert found["work-1"].address == found["work-1"].private_address
    assert found["work-1"].jump == found["control-1"]
    assert found["work-1"].network == f"aws/{vpc.id}"


def test_balancers_of_hetzners_controller_are_found_by_the_servers_that_they_serve():
    from tests.clouds.fakes import hcloud
    from tests.clouds.graph import asked

    fake = hcloud.Fake()
    labels = {"sloth.dev/cluster": "shop", "sloth.dev/node": "work-1"}
    server = fake.create(hcloud.SERVER, "work-1", {"name": "w", "serverType": "cx33", "location": "fsn1", "image": "114690387",
                                                   "labels": labels})  # fmt: skip
    for name in ("theirs", "strange"):
        fake.create(hcloud.BALANCER, name, {"name": name, "loadBalancerType": "lb11"})
    fake.create(
        hcloud.TARGET, "t", {"loadBalancerId": int(fake.all("LoadBalancer")[0].id), "type": "server", "serverId": int(server.id)}
    )
    fake.create(hcloud.VOLUME, "pvc", {"name": "pvc-1", "size": 10, "serverId": int(server.id)})
    found = asked(HCLOUD, lambda: HCLOUD.survey(ClusterSpec(name="shop")), fake)
    assert [(item.kind, item.name) for item in found] == [("server", "w"), ("load balancer", "theirs"), ("volume", "pvc-1")]
    assert all(item.billable for item in found)
