"""What the tests over all clouds (tests/clouds) cannot know of Azure."""

import base64
from dataclasses import replace

import pytest

from sloth import registry
from sloth.adapters.pulumi.faults import classify
from sloth.errors import CredentialsError
from sloth.model.cloud import Volume, Wanted
from sloth.model.spec import ClusterSpec, PoolSpec
from tests.clouds import specs
from tests.clouds.fakes import azure as fakes
from tests.clouds.graph import asked, graph

CLOUD = registry.provider("azure")
VARIABLES = ("ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_TENANT_ID", "ARM_SUBSCRIPTION_ID")
ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def spec(*pools, name="shop", **options):
    given = {"size": "Standard_D2s_v5", "location": "westeurope", **options}
    return ClusterSpec(name=name, providers={"azure": {key: value for key, value in given.items() if value}}, pools=pools)


def pool(name="work", **options):
    return PoolSpec(name=name, role="worker", provider="azure", count=2, options=options)


def codes(made):
    return [problem.code for problem in CLOUD.check(made)]


def test_the_service_principal_comes_from_the_spec_or_the_environment(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("password-of-file\n")
    for name in VARIABLES[:3]:
        monkeypatch.setenv(name, f"{name}-of-environment")
    given = CLOUD.environment(spec(subscriptionId=ID, clientSecret={"file": str(tmp_path / "password")}))
    assert given["ARM_CLIENT_SECRET"].reveal() == "password-of-file"
    assert given["ARM_SUBSCRIPTION_ID"] == ID
    assert given["ARM_CLIENT_ID"] == "ARM_CLIENT_ID-of-environment"
    assert CLOUD.environment(spec(subscriptionId=ID))["ARM_CLIENT_SECRET"].reveal() == "ARM_CLIENT_SECRET-of-environment"


def test_all_that_is_missing_is_named_at_once(monkeypatch):
    monkeypatch.setenv("ARM_TENANT_ID", ID)
    with pytest.raises(CredentialsError) as caught:
        CLOUD.environment(spec())
    assert caught.value.code == "cloud/no-credentials"
    assert [name for name in VARIABLES if name in caught.value.summary] == [name for name in VARIABLES if name != "ARM_TENANT_ID"]


def test_all_nodes_are_in_the_region_of_the_network():
    assert codes(spec(pool(), pool("more", location=["westeurope-1", "westeurope-2"]))) == []
    assert codes(spec(pool(), pool("more", location="westus"))) == ["cloud/network-zone"]
    assert codes(spec(pool(location="westeurope-1"), location="")) == []  # the network goes where machines are


def test_the_network_has_room_for_its_subnets():
    assert codes(spec(pool(), network="10.140.0.0/28")) == []
    assert codes(spec(pool(), network="10.140.0.0/29")) == ["cloud/network-size"]


def made(plan, kind, **options):
    found = graph(CLOUD, plan, **options).resources
    return {key.split(" ", 1)[1]: item["inputs"] for key, item in found.items() if key.startswith(f"{kind} ")}


def rules(plan):
    """Name -> (allow or deny, protocol, port, sources), in the order of priority."""
    ordered = sorted(made(plan, fakes.GUARD)["firewall"]["securityRules"], key=lambda rule: rule["priority"])
    return {
        rule["name"]: (
            rule["access"], rule["protocol"], rule["destinationPortRange"],
            rule.get("sourceAddressPrefixes") or rule["sourceAddressPrefix"],
        )
        for rule in ordered
    }  # fmt: skip


def test_nothing_comes_in_but_mesh_ssh_and_api():
    plan = specs.plan(CLOUD, "ha")
    assert list(rules(plan).items()) == [
        ("mesh", ("Allow", "Udp", "51820", ["0.0.0.0/0"])),
        ("ssh", ("Allow", "Tcp", "22", ["198.51.100.7/32"])),  # the network has IPv4 only
        ("api", ("Allow", "Tcp", "6443", ["198.51.100.0/24"])),
        ("probe", ("Allow", "Tcp", "6443", "AzureLoadBalancer")),
        ("deny", ("Deny", "*", "*", "*")),  # before Azure's own rules, which let the whole network in
    ]
    assert set(rules(replace(plan, access_ssh=(), access_api=()))) == {"mesh", "probe", "deny"}
    assert rules(specs.plan(CLOUD, "private"))["ssh"][3] == ["198.51.100.7/32", "10.110.0.0/16"]


def test_a_rule_that_comes_or_goes_leaves_the_others_priorities():
    plan = specs.plan(CLOUD, "ha")
    both = [made(each, fakes.GUARD)["firewall"]["securityRules"] for each in (plan, replace(plan, access_ssh=()))]
    before, after = ({rule["name"]: rule["priority"] for rule in each} for each in both)
    assert after == {name: number for name, number in before.items() if name != "ssh"}


def test_only_private_machines_are_behind_the_nat():
    plan = specs.plan(CLOUD, "private")
    found = graph(CLOUD, plan).resources
    nat = found["azure:network/subnetNatGatewayAssociation:SubnetNatGatewayAssociation private-nat"]["inputs"]
    plugs = {name: nic["ipConfigurations"][0] for name, nic in made(plan, fakes.INTERFACE).items()}
    behind = {name for name, plug in plugs.items() if plug["subnetId"] == nat["subnetId"]}
    assert behind == {f"{server.name}-nic" for server in plan.servers if not server.public}
    assert {name for name, plug in plugs.items() if "publicIpAddressId" not in plug} == behind
    assert {name: net["addressPrefixes"] for name, net in made(plan, fakes.SUBNET).items()} == {
        "subnet": ["10.110.0.0/17"],
        "private": ["10.110.128.0/17"],
    }


def machine(**changes):
    plan = specs.plan(CLOUD, "single")
    return made(replace(plan, servers=(replace(plan.servers[0], **changes),)), fakes.MACHINE, show_secrets=True)["control-1"]


def test_control_planes_are_kept_apart_by_a_set_or_by_zones():
    assert machine()["availabilitySetId"]
    assert "zone" not in machine()
    apart = machine(location="westeurope-2")
    assert apart["zone"] == "2"
    assert apart["location"] == "westeurope"
    assert "availabilitySetId" not in apart
    assert "availabilitySetId" not in machine(role="worker")


def test_user_data_is_given_where_the_metadata_service_does_not_show_it():
    inputs = machine()
    assert base64.b64decode(inputs["customData"]).decode() == specs.USER_DATA
    assert not {"userData", "identity"} & set(inputs)


def test_images_are_of_the_marketplace_or_own_ones():
    wanted = {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "0.1"}
    assert machine(image="Debian:debian-12:12-gen2:0.1")["sourceImageReference"] == wanted
    assert machine(image="/subscriptions/s/images/i")["sourceImageId"] == "/subscriptions/s/images/i"


def test_a_volume_that_goes_leaves_the_others_where_they_hang():
    plan = specs.plan(CLOUD, "single")
    volumes = (Volume(name="data", size=10), Volume(name="logs", size=10))
    less = replace(plan.servers[0], volumes=volumes[1:])
    found = graph(CLOUD, replace(plan, servers=(less,))).resources[f"{fakes.ATTACHED} control-1-logs-attachment"]
    assert found["ignoreChanges"] == ["lun"]


def cluster(fake, tag="shop"):
    """A group with a network, a public and a private machine."""
    where = {"location": "westeurope", "tags": {"sloth:cluster": tag}}
    fake.create(fakes.RESOURCES, "group", {"name": "shop-group", **where})
    there = {"resourceGroupName": "shop-group", **where}
    fake.create(fakes.NETWORK, "network", {"name": "shop-network", "addressSpaces": ["10.140.0.0/16"], **there})
    inside = {"resourceGroupName": "shop-group", "virtualNetworkName": "shop-network", "addressPrefixes": ["10.140.0.0/17"]}
    subnet = fake.create(fakes.SUBNET, "subnet", {"name": "shop-subnet", **inside}).id
    for node, public in (("work-1", False), ("control-1", True)):
        own = {**there, "tags": {**where["tags"], "sloth:node": node, "sloth:zone": "westeurope-3"}}
        plug = {"name": "main", "privateIpAddressAllocation": "Dynamic", "subnetId": subnet}
        if public:
            address = {"name": f"shop-{node}-address", "allocationMethod": "Static", **own}
            plug["publicIpAddressId"] = fake.create(fakes.ADDRESS, f"{node}-address", address).id
        nic = fake.create(fakes.INTERFACE, f"{node}-nic", {"name": f"shop-{node}-nic", "ipConfigurations": [plug], **own}).id
        disk = {"name": f"shop-{node}-disk", "caching": "ReadOnly", "storageAccountType": "StandardSSD_LRS"}
        key = [{"username": "sloth", "publicKey": specs.KEY}]
        size = {"size": "Standard_D2s_v5", "zone": "3", "sourceImageId": "/subscriptions/s/images/i"}
        inputs = {"name": f"shop-{node}", "networkInterfaceIds": [nic], "osDisk": disk, "adminUsername": "sloth", **size, **own}
        fake.create(fakes.MACHINE, node, {**inputs, "adminSshKeys": key})


def survey(fake):
    return asked(CLOUD, lambda: CLOUD.survey(spec()), fake)


def test_a_private_machine_is_reached_through_a_public_one():
    fake = fakes.Fake()
    cluster(fake)
    machines = {item.node: item.machine for item in survey(fake) if item.kind == "server"}
    public, private = machines["control-1"], machines["work-1"]
    assert (public.address, public.jump) == ("203.0.113.11", None)
    assert (private.address, private.jump) == (private.private_address, public)
    assert public.labels["topology.kubernetes.io/zone"] == "westeurope-3"
    assert public.labels["topology.kubernetes.io/region"] == "westeurope"


def test_the_survey_has_parts_and_disks_that_carry_no_tags():
    fake = fakes.Fake()
    cluster(fake)
    found = {(item.kind, item.name): item for item in survey(fake)}
    assert found["volume", "shop-work-1-disk"].billable
    assert found["subnet", "shop-subnet"].id.endswith("/virtualNetworks/shop-network/subnets/shop-subnet")
    assert not found["group", "shop-group"].billable


def test_a_group_of_that_name_without_the_tag_is_somebody_elses():
    fake = fakes.Fake()
    cluster(fake, tag="other")
    assert list(survey(fake)) == []


def test_refusals_are_no_empty_survey():
    fake = fakes.Fake()
    fake.token = "expired"
    with pytest.raises(Exception, match="AADSTS"):
        survey(fake)


def catalogue(**wanted):
    wish = Wanted(**{"sizes": ("Standard_D2s_v5",), "locations": ("westeurope",), "images": ("debian-12",), **wanted})
    return asked(CLOUD, lambda: CLOUD.catalogue(spec(), wish), fakes.Fake())


def test_the_catalogue_knows_zones_and_pins_images():
    offer = catalogue(images=("debian-12", "Debian:debian-12:no-such", "nonsense"))
    assert offer.locations == {"westeurope", "westeurope-1", "westeurope-2", "westeurope-3"}
    assert offer.images["debian-12"] == "Debian:debian-12:12-gen2:0.20260101.2000"
    assert not {"Debian:debian-12:no-such", "nonsense"} & set(offer.images)
    pinned = offer.images["debian-12"]
    assert catalogue(images=(pinned,)).images[pinned] == pinned


def test_of_sizes_the_names_tell_what_there_is_to_know():
    sizes = catalogue(sizes=("Standard_D2s_v5", "Standard_D4ps_v5", "Standard_E8-4ds_v5", "Basic_A1", "odd")).sizes
    told = {name: (size.cpus, size.architecture) for name, size in sizes.items()}
    assert told == {
        "Standard_D2s_v5": (2, "amd64"),
        "Standard_D4ps_v5": (4, "arm64"),
        "Standard_E8-4ds_v5": (4, "amd64"),
        "Basic_A1": (1, "amd64"),
        "odd": (0, "amd64"),
    }


def test_a_region_without_zones_and_one_that_is_not_there():
    assert catalogue(locations=("westus",)).locations == {"westus"}
    assert "nowhere" not in catalogue(locations=("nowhere",)).locations
    assert catalogue(locations=("nowhere",)).locations


@pytest.mark.parametrize("kind", ["credentials", "quota", "capacity", "rate-limit", "in-use", "not-found", "conflict"])
def test_refusals_are_told_apart(kind):
    words = {"size": "Standard_D2s_v5", "location": "westeurope", "seconds": 1, "what": "shop-network", "by": "shop-nic"}
    assert classify(fakes.Fake.texts[kind].format(**words), CLOUD.faults).kind == kind
