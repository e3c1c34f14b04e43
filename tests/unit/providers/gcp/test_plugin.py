"""What the tests over all clouds (tests/clouds) cannot know of Google Cloud."""

from dataclasses import replace

import pytest

from sloth import registry
from sloth.adapters.pulumi.faults import classify
from sloth.errors import CredentialsError
from sloth.model.cloud import Wanted
from sloth.model.spec import ClusterSpec, PoolSpec
from tests.clouds import specs
from tests.clouds.fakes import gcp as fakes
from tests.clouds.graph import asked, graph

CLOUD = registry.provider("gcp")
ZONE, REGION = "europe-west3-a", "europe-west3"
VARIABLES = ("GOOGLE_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT")


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def spec(*pools, name="shop", **options):
    return ClusterSpec(name=name, providers={"gcp": {"size": "e2-standard-2", "location": ZONE, **options}}, pools=pools)


def pool(name="work", **options):
    return PoolSpec(name=name, role="worker", provider="gcp", count=2, options=options)


def codes(made):
    return [problem.code for problem in CLOUD.check(made)]


def test_key_and_project_come_from_the_spec_or_the_environment(monkeypatch, tmp_path):
    (tmp_path / "key").write_text('{"type": "service_account"}')
    given = CLOUD.environment(spec(pool(), credentials={"file": str(tmp_path / "key")}, project="my-project"))
    assert given["GOOGLE_CREDENTIALS"].reveal() == '{"type": "service_account"}'
    assert given["GOOGLE_PROJECT"] == "my-project"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "other-project")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/keys/gcp.json")
    told = CLOUD.environment(spec())
    assert told["GOOGLE_APPLICATION_CREDENTIALS"] == "/keys/gcp.json"
    assert told["GOOGLE_PROJECT"] == "other-project"
    monkeypatch.setenv("GOOGLE_CREDENTIALS", '{"type": "authorized_user"}')
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in CLOUD.environment(spec())


def test_all_that_is_missing_is_named_at_once(monkeypatch):
    with pytest.raises(CredentialsError) as caught:
        CLOUD.environment(spec())
    assert caught.value.code == "cloud/no-credentials"
    assert "GOOGLE_CREDENTIALS" in caught.value.summary
    assert "GOOGLE_PROJECT" in caught.value.summary
    monkeypatch.setenv("GOOGLE_PROJECT", "my-project")
    with pytest.raises(CredentialsError) as caught:
        CLOUD.environment(spec())
    assert "GOOGLE_PROJECT" not in caught.value.summary


def test_all_zones_are_of_one_region():
    assert codes(spec(pool(), pool("more", location=["europe-west3-b", "europe-west3-c"]))) == []
    assert codes(spec(pool(), pool("more", location="us-east1-b"))) == ["cloud/network-zone"]


def test_images_without_cloud_init_are_refused():
    assert codes(spec(pool(), pool("more", image="debian-12"))) == ["cloud/no-cloud-init"]
    assert codes(spec(pool(image="projects/my-project/global/images/debian-with-cloud-init"))) == []


def test_the_network_has_room_for_its_subnets():
    assert codes(spec(pool(), network="10.130.0.0/29")) == []
    assert codes(spec(pool(), network="10.130.0.0/30")) == ["cloud/network-size"]


def rules(plan):
    found = graph(CLOUD, plan).resources
    made = {key.split(" ")[1]: item["inputs"] for key, item in found.items() if key.startswith(fakes.FIREWALL)}
    return {
        name: (rule["allows"][0]["protocol"], *rule["allows"][0]["ports"], rule["sourceRanges"]) for name, rule in made.items()
    }


def test_nothing_comes_in_but_mesh_ssh_and_api():
    plan = specs.plan(CLOUD, "ha")
    assert rules(plan) == {
        "mesh": ("udp", "51820", ["0.0.0.0/0"]),
        "ssh": ("tcp", "22", ["198.51.100.7/32"]),  # the subnet has IPv4 only
        "api": ("tcp", "6443", ["198.51.100.0/24"]),
    }
    assert set(rules(replace(plan, access_ssh=(), access_api=()))) == {"mesh"}
    assert rules(specs.plan(CLOUD, "private"))["jump"] == ("tcp", "22", ["10.110.0.0/16"])
    assert "0.0.0.0/0" not in rules(specs.plan(CLOUD, "balanced"))["balancer-probe"][2]


def test_tags_become_labels_as_the_cloud_allows_them():
    plan = replace(specs.plan(CLOUD, "single"), labels={"example.com/Team": "Web & Shop", "9": "x"})
    labels = graph(CLOUD, plan).resources[f"{fakes.INSTANCE} control-1"]["inputs"]["labels"]
    assert labels == {"example-com-team": "web---shop", "sloth-cluster": "shop", "sloth-node": "control-1"}


def test_machines_stay_where_they_are_when_the_spec_names_another_region():
    plan = specs.plan(CLOUD, "single")
    moved = replace(plan, options={**plan.options, "location": "us-east1-b"})
    assert graph(CLOUD, moved).resources == graph(CLOUD, plan).resources


def test_nothing_on_a_machine_gets_a_token():
    made = graph(CLOUD, specs.plan(CLOUD, "single")).resources[f"{fakes.INSTANCE} control-1"]["inputs"]
    assert "serviceAccount" not in made
    assert made["metadata"]["block-project-ssh-keys"] == "true"


def cluster(fake, name="shop", tag="sloth:cluster=shop"):
    """A network with a public and a private machine."""
    net = fake.create(fakes.NETWORK, "network", {"name": f"{name}-network", "autoCreateSubnetworks": False, "description": tag})
    inside = {"name": f"{name}-subnet", "region": REGION, "network": net.id, "ipCidrRange": "10.130.0.0/16", "description": tag}
    subnet = fake.create(fakes.SUBNET, "subnet", inside)
    for node, public in (("control-1", True), ("work-1", False)):
        labels = {"sloth-cluster": name, "sloth-node": node}
        kind = {} if public else {"addressType": "INTERNAL", "subnetwork": subnet.id}
        mark = {"labels": {**labels, "sloth-zone": ZONE}, "region": REGION}
        address = fake.create(fakes.ADDRESS, f"{node}-address", {"name": f"{name}-{node}-address", **mark, **kind})["address"]
        plug = {"accessConfigs": [{"natIp": address}]} if public else {"networkIp": address}
        boot = {"initializeParams": {"image": fakes.Fake.image, "labels": labels}}
        common = {"zone": ZONE, "machineType": "e2-standard-2", "bootDisk": boot, "labels": labels}
        interfaces = [{"subnetwork": subnet.id, **plug}]
        fake.create(fakes.INSTANCE, node, {"name": f"{name}-{node}", **common, "networkInterfaces": interfaces})


def survey(fake, made=None):
    return asked(CLOUD, lambda: CLOUD.survey(made or spec()), fake)


def test_a_private_machine_is_reached_through_a_public_one():
    fake = fakes.Fake()
    cluster(fake)
    machines = {item.node: item.machine for item in survey(fake) if item.kind == "server"}
    public, private = machines["control-1"], machines["work-1"]
    assert public.address.startswith("203.0.113.")
    assert public.jump is None
    assert private.address == private.private_address
    assert private.address.startswith("10.130.")
    assert private.jump == public
    assert public.labels["topology.kubernetes.io/zone"] == ZONE
    assert public.labels["topology.kubernetes.io/region"] == REGION


def test_a_search_index_that_is_behind_neither_hides_machines_nor_shows_deleted_ones():
    fake = fakes.Fake()
    cluster(fake)
    fake.lagging = True  # the index knows nothing of what is there
    before = survey(fake)
    assert {(item.kind, item.name) for item in before} == {
        ("network", "shop-network"), ("subnet", "shop-subnet"), ("server", "shop-control-1"), ("server", "shop-work-1"),
        ("address", "shop-control-1-address"), ("address", "shop-work-1-address"),
    }  # fmt: skip
    gone = next(item for item in before if item.node == "work-1" and item.kind == "server")
    fake.delete(fakes.INSTANCE, gone.id)
    assert [item.name for item in survey(fake) if item.kind == "server"] == ["shop-control-1"]


def test_what_only_has_the_name_is_not_the_clusters():
    fake = fakes.Fake()
    inputs = {"name": "shop-network", "autoCreateSubnetworks": False, "description": "of somebody else"}
    fake.create(fakes.NETWORK, "theirs", inputs)
    assert list(survey(fake)) == []
    assert list(survey(fake, spec(name="sho"))) == []


def test_refusals_of_the_search_are_no_empty_survey():
    fake = fakes.Fake()
    fake.token = "expired"
    with pytest.raises(Exception, match="invalid_grant"):
        survey(fake)


def catalogue(**wanted):
    wish = Wanted(**{"sizes": ("e2-standard-2",), "locations": (ZONE,), "images": ("ubuntu-24.04",), **wanted})
    return asked(CLOUD, lambda: CLOUD.catalogue(spec(), wish), fakes.Fake())


def test_the_catalogue_tells_what_fits_where():
    offer = catalogue(locations=(ZONE, "europe-west3-b"), images=("ubuntu-24.04", "ubuntu-os-cloud/no-such", "nonsense"))
    assert offer.locations == set(fakes.ZONES[REGION])
    assert offer.sizes["e2-standard-4"].locations == {ZONE, "europe-west3-b"}
    assert offer.sizes["c4a-standard-2"].locations == {ZONE}
    assert offer.sizes["c4a-standard-2"].architecture == "arm64"
    assert (offer.sizes["e2-standard-2"].cpus, offer.sizes["e2-standard-2"].memory) == (2, 8192)
    assert offer.images["ubuntu-24.04"] == "projects/ubuntu-os-cloud/global/images/ubuntu-2404-noble-amd64-v20260101"
    assert not {"ubuntu-os-cloud/no-such", "nonsense"} & set(offer.images)
    assert offer.images == catalogue(images=tuple(offer.images)).images


def test_of_an_unknown_region_the_catalogue_tells_the_known_ones():
    assert catalogue(locations=("europe-west99-a",)).locations == set(fakes.ZONES)


@pytest.mark.parametrize("kind", ["credentials", "quota", "capacity", "rate-limit", "in-use", "not-found", "conflict"])
def test_refusals_are_told_apart(kind):
    words = {"size": "e2-standard-2", "location": ZONE, "seconds": 1, "what": "projects/p/zones/z/disks/d", "by": "an instance"}
    assert classify(fakes.Fake.texts[kind].format(**words), CLOUD.faults).kind == kind
