"""What the engine's tests over all clouds (tests/clouds) cannot know of Linode."""

import base64
from dataclasses import replace
from importlib import import_module

import pytest

from sloth import registry
from sloth.adapters.pulumi.faults import classify
from sloth.errors import CredentialsError
from sloth.model.cloud import Wanted
from sloth.model.spec import ClusterSpec, KubernetesSpec, PoolSpec
from tests.clouds import specs
from tests.clouds.fakes import linode as fakes
from tests.clouds.graph import asked, graph

CLOUD = registry.provider("linode")
TAG = "sloth:cluster:shop"
fit = import_module(f"{type(CLOUD).__module__}.program").fit


def spec(*pools, name="shop", balanced=False, **options):
    given = {"size": "g6-standard-2", "location": "eu-central", **options}
    kubernetes = KubernetesSpec(load_balancer="provider" if balanced else "none")
    return ClusterSpec(name=name, providers={"linode": given}, pools=pools, kubernetes=kubernetes)


def pool(name="work", count=2, **options):
    return PoolSpec(name=name, role="worker", provider="linode", count=count, options=options)


def survey(fake, made=None):
    return asked(CLOUD, lambda: CLOUD.survey(made or spec()), fake)


def linode(fake, name="work-1", *, tags=(TAG, "sloth:node:work-1"), **more):
    given = {"label": f"shop-{name}", "region": "eu-central", "type": "g6-standard-2", "image": "linode/debian12"}
    return fake.create(fakes.INSTANCE, name, {**given, "authorizedKeys": ["ssh-ed25519 AAAA"], "tags": [*tags], **more})


def subnet(fake, label="shop-network"):
    vpc = fake.create(fakes.VPC, "network", {"label": label, "region": "eu-central"}).id
    return vpc, fake.create(fakes.SUBNET, "subnet", {"label": "shop-subnet", "vpcId": int(vpc), "ipv4": "10.160.0.0/16"}).id


def test_the_token_comes_from_the_spec_or_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LINODE_TOKEN", "token-of-environment")
    (tmp_path / "token").write_text("token-of-file\n")
    assert CLOUD.environment(spec())["LINODE_TOKEN"].reveal() == "token-of-environment"
    assert CLOUD.environment(spec(token={"file": str(tmp_path / "token")}))["LINODE_TOKEN"].reveal() == "token-of-file"


def test_the_beta_api_is_used_for_a_balancer_only(monkeypatch):
    monkeypatch.setenv("LINODE_TOKEN", "token-of-environment")
    assert "LINODE_API_VERSION" not in CLOUD.environment(spec())
    assert CLOUD.environment(spec(balanced=True))["LINODE_API_VERSION"] == "v4beta"


def test_without_a_token_both_places_are_named(monkeypatch):
    monkeypatch.delenv("LINODE_TOKEN", raising=False)
    with pytest.raises(CredentialsError) as caught:
        CLOUD.environment(spec())
    assert caught.value.code == "cloud/no-credentials"
    assert "LINODE_TOKEN" in caught.value.summary
    assert "spec.providers.linode.token" in caught.value.summary


def codes(made):
    return [problem.code for problem in CLOUD.check(made)]


def test_all_pools_must_be_in_one_region():
    assert codes(spec(pool(), pool("more"))) == []
    assert codes(spec(pool(), pool("more", location="nl-ams"))) == ["cloud/network-zone"]


def test_names_must_fit_into_tags_and_labels():
    assert codes(spec(pool("w" * 27), name="c" * 34)) == []
    assert codes(spec(pool("w" * 28), name="c" * 34)) == ["cloud/long-name"]
    assert codes(spec(pool("w"), name="c" * 37)) == ["cloud/long-name"]
    assert codes(spec(pool("w" * 37, count=10), name="c")) == ["cloud/long-name"]


def test_volumes_have_the_smallest_size_or_more():
    assert codes(spec(pool(volumes=[{"name": "data", "size": "10Gi"}]))) == []
    assert codes(spec(pool(volumes=[{"name": "data", "size": "9Gi"}]))) == ["cloud/small-volume"]


def test_private_and_spot_servers_are_refused():
    assert codes(spec(pool(public=False, spot=True))) == ["cloud/not-possible", "cloud/not-possible"]


def test_user_data_is_sent_in_base64():
    found = graph(CLOUD, specs.plan(CLOUD, "single"), show_secrets=True)
    (given,) = found.resources[f"{fakes.INSTANCE} control-1"]["inputs"]["metadatas"]
    assert base64.b64decode(given["userData"]).decode() == specs.USER_DATA


def test_the_fake_hands_user_data_on_as_it_was_written():
    fake, told = fakes.Fake(), []
    fake.on_server = lambda item, text: told.append(text) or "203.0.113.99"
    made = linode(fake, metadatas=[{"userData": base64.b64encode(b"#cloud-config").decode()}])
    assert told == ["#cloud-config"]
    assert made["ipv4s"] == ["203.0.113.99"]


def test_only_control_planes_are_kept_apart():
    found = graph(CLOUD, specs.plan(CLOUD, "ha")).resources
    grouped = {key.split()[1] for key, made in found.items() if "placementGroup" in made["inputs"]}
    assert grouped == {"control-1", "control-2", "control-3"}


def test_without_access_no_rule_is_open_but_mesh_and_ping():
    plan = replace(specs.plan(CLOUD, "balanced"), access_ssh=(), access_api=())
    found = graph(CLOUD, plan).resources
    rules = found[f"{fakes.FIREWALL} firewall"]["inputs"]["inbounds"]
    assert [(rule["label"], rule.get("ipv4s")) for rule in rules] == [
        ("mesh", ["0.0.0.0/0"]), ("ping", ["0.0.0.0/0"]), ("balancer", ["10.110.0.0/16"]),
    ]  # fmt: skip
    fence = found[f"{fakes.FIREWALL} balancer-firewall"]["inputs"]
    assert (fence["inboundPolicy"], fence["inbounds"]) == ("DROP", [])


def test_long_names_are_cut_to_labels_that_stay_apart():
    one, two = fit("a-cluster-with-a-long-name-work-1-data"), fit("a-cluster-with-a-long-name-work-2-data")
    assert len(one) == len(two) == 32
    assert one != two
    assert fit("shop--1") == "shop-1"


def test_a_cut_label_is_found_under_the_name_that_it_stands_for():
    fake = fakes.Fake()
    made = spec(pool(volumes=[{"name": "data", "size": "10Gi"}]), name="a-cluster-with-a-long-name")
    name = "a-cluster-with-a-long-name-work-2-data"
    tags = ["sloth:cluster:a-cluster-with-a-long-name", "sloth:node:work-2"]
    fake.create(fakes.VOLUME, "work-2-data", {"label": fit(name), "region": "eu-central", "size": 10, "tags": tags})
    assert [(item.name, item.node) for item in survey(fake, made)] == [(name, "work-2")]


def test_volumes_of_our_linodes_are_found_whoever_attached_them():
    fake = fakes.Fake()
    ours, other = linode(fake), linode(fake, "other", tags=())
    for name, holder in (("pvc-1", ours), ("pvc-2", other)):
        fake.create(fakes.VOLUME, name, {"label": name, "region": "eu-central", "size": 10, "linodeId": int(holder.id)})
    assert [item.name for item in survey(fake) if item.kind == "volume"] == ["pvc-1"]


def test_balancers_in_our_network_are_found_whoever_made_them():
    fake = fakes.Fake()
    _, mine = subnet(fake)
    _, other = subnet(fake, "blog-network")
    for name, net in (("ccm-1", mine), ("ccm-2", other)):
        fake.create(fakes.BALANCER, name, {"label": name, "region": "eu-central", "vpcs": [{"subnetId": int(net)}]})
    assert [item.name for item in survey(fake) if item.kind == "load balancer"] == ["ccm-1"]


def test_a_subnet_is_known_by_the_id_that_it_is_imported_by():
    fake = fakes.Fake()
    vpc, net = subnet(fake)
    assert [item.id for item in survey(fake) if item.kind == "subnet"] == [f"{vpc},{net}"]
    assert fake.read(fakes.SUBNET, f"{vpc},{net}").id == net


def test_the_catalogue_knows_regions_that_can_do_all_and_their_prices():
    wanted = Wanted(sizes=(), locations=(), images=("debian-12", "ubuntu-24.04", "linode/debian13", "plan9"))
    offer = asked(CLOUD, lambda: CLOUD.catalogue(spec(), wanted))
    assert offer.locations == {"eu-central", "us-east", "nl-ams"}
    assert offer.sizes["g6-standard-2"].prices == {"eu-central": 12.0, "us-east": 12.0, "nl-ams": 14.0}
    assert offer.sizes["g7-premium-4"].locations == {"us-east", "nl-ams"}
    assert offer.images == {
        "debian-12": "linode/debian12", "ubuntu-24.04": "linode/ubuntu24.04", "linode/debian13": "linode/debian13",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["credentials", "quota", "capacity", "rate-limit", "in-use", "not-found", "conflict"])
def test_what_the_cloud_says_is_understood(kind):
    words = {"size": "g6-standard-2", "location": "eu-central", "seconds": 5, "what": "VPC 4", "by": "Linode 1"}
    assert classify(fakes.Fake.texts[kind].format(**words), CLOUD.faults).kind == kind
