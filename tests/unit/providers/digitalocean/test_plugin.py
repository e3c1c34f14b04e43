"""What the engine's tests over all clouds (tests/clouds) cannot know of DigitalOcean."""

from dataclasses import replace

import pytest

from sloth import registry
from sloth.adapters.pulumi.faults import classify
from sloth.errors import CredentialsError
from sloth.model.cloud import Wanted
from sloth.model.spec import ClusterSpec, PoolSpec
from tests.clouds import specs
from tests.clouds.fakes import digitalocean as fakes
from tests.clouds.graph import asked, graph

CLOUD = registry.provider("digitalocean")
TAG = "sloth:cluster:shop"
DATA = {"volumes": [{"name": "data", "size": "20Gi"}]}


def spec(*pools, **options):
    given = {"size": "s-2vcpu-4gb", "location": "fra1", **options}
    return ClusterSpec(name="shop", providers={"digitalocean": given}, pools=pools)


def pool(name="work", count=2, **options):
    return PoolSpec(name=name, role="worker", provider="digitalocean", count=count, options=options)


def survey(fake, *pools, name="shop"):
    return asked(CLOUD, lambda: CLOUD.survey(replace(spec(*pools), name=name)), fake)


def network(fake, name="shop-network", cidr="10.150.0.0/16"):
    return fake.create(fakes.VPC, "network", {"name": name, "region": "fra1", "ipRange": cidr}).id


def droplet(fake, vpc, name="work-1", **more):
    tags = [TAG, f"sloth:node:{name}"]
    given = {
        "name": f"shop-{name}",
        "region": "fra1",
        "size": "s-2vcpu-4gb",
        "image": "debian-12-x64",
        "vpcUuid": vpc,
        "tags": tags,
    }
    return fake.create(fakes.DROPLET, name, {**given, **more})


def volume(fake, name, *tags):
    return fake.create(fakes.VOLUME, name, {"name": name, "region": "fra1", "size": 20, "tags": [*tags]}).id


def test_the_token_comes_from_the_spec_or_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "dop_v1_environment")
    (tmp_path / "token").write_text("dop_v1_file\n")
    assert CLOUD.environment(spec())["DIGITALOCEAN_TOKEN"].reveal() == "dop_v1_environment"
    written = CLOUD.environment(spec(token={"file": str(tmp_path / "token")}))
    assert written["DIGITALOCEAN_TOKEN"].reveal() == "dop_v1_file"


def test_without_a_token_both_places_are_named(monkeypatch):
    monkeypatch.delenv("DIGITALOCEAN_TOKEN", raising=False)
    with pytest.raises(CredentialsError) as caught:
        CLOUD.environment(spec())
    assert caught.value.code == "cloud/no-credentials"
    assert "DIGITALOCEAN_TOKEN" in caught.value.summary
    assert "spec.providers.digitalocean.token" in caught.value.summary


def test_all_pools_must_be_in_one_region():
    assert CLOUD.check(spec(pool(), pool("more"))) == []
    assert [each.code for each in CLOUD.check(spec(pool(), pool("more", location="ams3")))] == ["cloud/network-zone"]
    assert [each.code for each in CLOUD.check(spec(pool(), location=["fra1", "ams3"]))] == ["cloud/network-zone"]


def test_labels_become_tags_that_the_cloud_takes():
    plan = replace(specs.plan(CLOUD, "single"), labels={"example.com/team": "web & shop"})
    tags = graph(CLOUD, plan).resources[f"{fakes.DROPLET} control-1"]["inputs"]["tags"]
    assert tags == [TAG, "example-com-team:web---shop", "sloth:node:control-1"]


def test_a_balancer_lets_in_whom_the_spec_lets_in_and_nobody_else():
    def fence(*access):
        found = graph(CLOUD, replace(specs.plan(CLOUD, "balanced"), access_api=access))
        return found.resources[f"{fakes.BALANCER} balancer"]["inputs"]["firewall"]

    assert fence("198.51.100.0/24", "2001:db8::/64") == {"allows": ["cidr:198.51.100.0/24"]}
    assert fence("2001:db8::/64") == {"denies": ["cidr:0.0.0.0/0"]}
    assert fence() == {"denies": ["cidr:0.0.0.0/0"]}


def test_without_access_no_rule_is_open_but_mesh_and_ping():
    plan = replace(specs.plan(CLOUD, "single"), access_ssh=(), access_api=())
    rules = graph(CLOUD, plan).resources[f"{fakes.FIREWALL} firewall"]["inputs"]["inboundRules"]
    assert [(rule["protocol"], rule.get("portRange")) for rule in rules] == [("udp", "51820"), ("icmp", None)]


def test_private_droplets_are_reached_through_a_public_one():
    fake = fakes.Fake()
    vpc = network(fake)
    hidden = droplet(fake, vpc, "work-1", publicNetworking=False)
    shown = droplet(fake, vpc, "work-2")
    machines = {found.node: found.machine for found in survey(fake) if found.kind == "server"}
    assert machines["work-1"].address == hidden["ipv4AddressPrivate"]
    assert machines["work-1"].jump == machines["work-2"]
    assert machines["work-2"].jump is None
    assert machines["work-2"].address == shown["ipv4Address"]


def test_a_volume_without_a_droplet_is_found_by_its_name():
    fake = fakes.Fake()
    lost = volume(fake, "shop-work-2-data", TAG)
    (found,) = [item for item in survey(fake, pool(**DATA)) if item.kind == "volume"]
    assert (found.id, found.name, found.node) == (lost, "shop-work-2-data", "work-2")
    assert found.token == fakes.VOLUME


def test_a_volume_of_a_droplet_is_found_whoever_attached_it():
    fake = fakes.Fake()
    disk = volume(fake, "pvc-1")
    droplet(fake, network(fake), volumeIds=[disk])
    assert [(item.id, item.node) for item in survey(fake) if item.kind == "volume"] == [(disk, "work-1")]


def test_volumes_that_only_the_tag_knows_are_told_as_a_number():
    fake = fakes.Fake()
    volume(fake, "shop-gone-1-data", TAG)
    volume(fake, "shop-gone-2-data", TAG)
    (found,) = [item for item in survey(fake, pool(**DATA)) if item.kind == "volume"]
    assert found.name == "2 more with the tag of shop"
    assert found.token == ""


def test_balancers_in_the_network_are_the_clusters_and_others_are_not():
    fake = fakes.Fake()
    mine, other = network(fake), network(fake, "blog-network", "10.151.0.0/16")
    names = {"shop-balancer": mine, "a0123456789": mine, "blog-balancer": other}
    for name, vpc in names.items():
        fake.create(fakes.BALANCER, name, {"name": name, "region": "fra1", "vpcUuid": vpc})
    assert {item.name for item in survey(fake) if item.kind == "load balancer"} == {"shop-balancer", "a0123456789"}


def test_a_refusal_during_a_survey_is_no_empty_survey():
    fake = fakes.Fake()
    fake.token = "expired"
    with pytest.raises(Exception, match="401 Unable to authenticate"):
        survey(fake)


def test_the_catalogue_leaves_out_what_cannot_be_had():
    fake = fakes.Fake()
    droplet(fake, network(fake))
    fake.faults.full = {"ams3", "s-1vcpu-2gb"}
    wanted = Wanted(sizes=(), locations=(), images=("debian-12", "ubuntu-24-04-x64", "plan9"))
    offer = asked(CLOUD, lambda: CLOUD.catalogue(spec(), wanted), fake)
    assert offer.locations == {"fra1", "nyc3"}
    assert set(offer.sizes) == {"s-2vcpu-4gb", "s-4vcpu-8gb"}
    assert offer.sizes["s-4vcpu-8gb"].locations == {"fra1"}
    assert offer.sizes["s-2vcpu-4gb"].prices == {"fra1": 14.0, "nyc3": 14.0}
    assert offer.images == {"debian-12": "171157570", "ubuntu-24-04-x64": "171157572"}
    assert [(quota.what, quota.limit, quota.used) for quota in offer.quotas] == [("Droplets", fake.limit, 1)]


@pytest.mark.parametrize("kind", ["credentials", "quota", "capacity", "rate-limit", "in-use", "not-found", "conflict"])
def test_what_the_cloud_says_is_understood(kind):
    words = {"size": "s-1vcpu-2gb", "location": "fra1", "seconds": 5, "what": "VPC 4f", "by": "Droplet 1"}
    assert classify(fakes.Fake.texts[kind].format(**words), CLOUD.faults).kind == kind
