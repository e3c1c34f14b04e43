"""What the plugins `vultr` and `openstack` find, offer and need, against their fake clouds, without the engine."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from sloth import registry
from sloth.errors import CredentialsError
from sloth.model.cloud import Volume, Wanted
from sloth.model.spec import ClusterSpec
from tests.clouds import fakes, graph, specs
from tests.clouds.engine import Engine
from tests.clouds.fakes import wire
from tests.clouds.fakes.rules import Refused

IMAGE = {"vultr": "2136", "openstack": "70b16c3f-90bc-4a7c-8bc4-3c6d0f1e8a01"}
NAMES = ("vultr", "openstack")


class Refusal(grpc.RpcError):
    """As the engine gives a plugin's refusal to a program."""

    def details(self):
        return str(self)

    def code(self):
        return grpc.StatusCode.UNKNOWN


class Cloud(graph._Mocks):
    """The mock engine, with the strict fake behind it."""

    def __init__(self, fake):
        self.fake = fake

    def new_resource(self, args):
        item = self.fake.create(args.typ, args.name, wire._plain(args.inputs))
        return item.id, item.outputs

    def call(self, args):
        try:
            return self.fake.ask(args.token, wire._plain(args.args)), []
        except Refused as refusal:
            raise Refusal(str(refusal)) from None


def run(fake, question):
    """What a program answers."""
    answers = {}
    monitor = graph._Monitor(None, show_secrets=False)
    monitor.mocks = Cloud(fake)
    graph._run(lambda: answers.update(answer=[question()]), {}, monitor)
    return answers["answer"][0]


def plan_of(name, which):
    cloud = registry.provider(name)
    plan = specs.plan(cloud, which)
    servers = tuple(replace(server, image=IMAGE[name]) for server in plan.servers)
    if which == "pools":
        disks = (Volume(name="data", size=100),)
        servers = tuple(replace(server, volumes=disks if server.pool == "data" else ()) for server in servers)
    return replace(plan, servers=servers)


def spec_of(name, plan, **options):
    return replace(specs.spec(registry.provider(name), plan), providers={name: options})


def made(name, plan):
    """A fake that has what the plan wants."""
    cloud, fake = registry.provider(name), fakes.find(name)()

    def program():
        shared = cloud.network(plan)
        servers = {server.name: cloud.server(plan, server, shared) for server in plan.servers}
        if plan.balance:
            cloud.balancer(plan, shared, {node: servers[node] for node in plan.balance})

    run(fake, program)
    return fake


# Kinds that cannot be found by themselves: they go with what they belong to.
PARTS = {"FirewallRule", "SecGroupRule", "VolumeAttach"}


@pytest.mark.parametrize(
    ("name", "which"), [("vultr", "pools"), ("vultr", "balanced"), *(("openstack", w) for w in ("pools", "private", "balanced"))]
)
def test_a_survey_finds_everything_under_the_names_that_the_program_gives(name, which):
    """Token and name are what a lost resource is taken over by."""
    plan = plan_of(name, which)
    fake = made(name, plan)
    found = run(fake, lambda: registry.provider(name).survey(spec_of(name, plan)))
    by = {token: rules.alias or (lambda item: item.id) for token, rules in fake.rules.items()}
    there = {(item.token, plan.named(item.name), by[item.token](item)) for item in fake.items.values()}
    assert {(one.token, one.name, one.id) for one in found} == {one for one in there if one[0].rpartition(":")[2] not in PARTS}
    assert {one.node for one in found if one.kind == "server"} == {server.name for server in plan.servers}
    assert all(one.billable for one in found if one.kind in ("server", "volume"))


@pytest.mark.parametrize("name", NAMES)
def test_a_survey_tells_where_servers_are(name):
    plan = plan_of(name, "ha")
    found = run(made(name, plan), lambda: registry.provider(name).survey(spec_of(name, plan)))
    machines = {one.node: one.machine for one in found if one.machine}
    assert len({machine.private_address for machine in machines.values()}) == len(plan.servers)
    assert len({machine.network for machine in machines.values()}) == 1
    assert all(machine.address.startswith("203.0.113.") and machine.running for machine in machines.values())
    assert {machine.user for machine in machines.values()} == {"sloth"}
    zone = {machine.labels["topology.kubernetes.io/zone"] for machine in machines.values()}
    assert zone == {registry.provider(name).example["location"]}


@pytest.mark.parametrize("name", NAMES)
def test_a_survey_of_another_cluster_finds_nothing(name):
    plan = plan_of(name, "pools")
    other = replace(spec_of(name, plan), name="other")
    assert run(made(name, plan), lambda: registry.provider(name).survey(other)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_volume_is_found_when_its_server_is_gone(name):
    plan = plan_of(name, "pools")
    fake = made(name, plan)
    server = next(item for item in fake.items.values() if item.name == "data-1")
    fake.delete(server.token, server.id)
    found = run(fake, lambda: registry.provider(name).survey(spec_of(name, plan)))
    assert [one.name for one in found if one.kind == "volume"] == ["shop-data-1-data"]
    assert "data-1" not in {one.node for one in found if one.kind == "server"}


@pytest.mark.parametrize("name", NAMES)
def test_two_things_of_one_name_are_no_silence(name):
    plan = plan_of(name, "single")
    fake = made(name, plan)
    firewall = next(item for item in fake.items.values() if item.name == "firewall")
    fake.create(firewall.token, "firewall", dict(firewall.inputs))
    with pytest.raises(Exception, match=r"too many results|more than one result"):
        run(fake, lambda: registry.provider(name).survey(spec_of(name, plan)))


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_login_is_no_empty_survey(name):
    plan = plan_of(name, "single")
    fake = made(name, plan)
    fake.token = "expired"
    with pytest.raises(Exception, match=r"(?i)401|invalid api token"):
        run(fake, lambda: registry.provider(name).survey(spec_of(name, plan)))


def test_private_servers_are_reached_through_a_public_one():
    plan = plan_of("openstack", "private")
    found = run(made("openstack", plan), lambda: registry.provider("openstack").survey(spec_of("openstack", plan)))
    machines = {one.node: one.machine for one in found if one.machine}
    assert machines["control-1"].jump is None
    assert machines["control-1"].address.startswith("203.0.113.")
    assert all(machine.jump == machines["control-1"] for node, machine in machines.items() if node != "control-1")
    assert machines["work-2"].address == machines["work-2"].private_address


def test_a_server_that_is_being_made_is_found():
    """The engine's plugin refuses to tell its state."""
    plan = plan_of("openstack", "single")
    fake = made("openstack", plan)
    server = fake.all("Instance")[0]
    told = fake.ask

    def ask(token, args):
        if token.endswith("getInstanceV2"):
            raise Refused(f"Invalid power_state for instance {server.id}: BUILD")
        return told(token, args)

    fake.ask = ask
    found = run(fake, lambda: registry.provider("openstack").survey(spec_of("openstack", plan)))
    assert [(one.id, one.machine.running) for one in found if one.machine] == [(server.id, False)]


def test_a_public_address_waits_for_the_router():
    """The cloud refuses one on a subnet that no router leads to; the fake does too."""
    fake = made("openstack", plan_of("openstack", "single"))
    port = fake.all("Port")[0]
    way = fake.all("RouterInterface")[0]
    del fake.items[way.token, way.id]
    with pytest.raises(Exception, match="not reachable from subnet"):
        fake.create("openstack:networking/floatingIp:FloatingIp", "late", {"pool": "public", "portId": port.id})


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_has_what_there_is_and_nothing_else(name):
    cloud, fake = registry.provider(name), fakes.find(name)()
    size, place = cloud.example["size"], cloud.example["location"]
    wanted = Wanted(sizes=(size, "nonsense"), locations=(place, "mars"), images=("debian-12", IMAGE[name], "nothing-1"))
    answer = run(fake, lambda: cloud.catalogue(ClusterSpec(name="shop"), wanted))
    assert place in answer.locations
    assert "mars" not in answer.locations
    assert set(answer.sizes) == {size}
    assert (answer.sizes[size].cpus, answer.sizes[size].memory) == (2, 4096)
    assert answer.images == {"debian-12": IMAGE[name], IMAGE[name]: IMAGE[name]}


def test_vultr_tells_prices_and_where_a_plan_can_be_had_now():
    cloud, fake = registry.provider("vultr"), fakes.find("vultr")()
    fake.faults.full = {"vc2-2c-4gb@fra"}
    wanted = Wanted(sizes=("vc2-2c-4gb",), locations=("fra",), images=())
    answer = run(fake, lambda: cloud.catalogue(ClusterSpec(name="shop"), wanted))
    assert answer.sizes["vc2-2c-4gb"].locations == {"ams", "ewr"}
    assert answer.sizes["vc2-2c-4gb"].prices == {"ams": 15.0, "ewr": 15.0}
    assert answer.currency == "USD"


def test_openstack_tells_its_limits():
    plan = plan_of("openstack", "ha")
    fake = made("openstack", plan)
    fake.faults.quota = 6
    cloud = registry.provider("openstack")
    wanted = Wanted(sizes=(), locations=(), images=())
    quotas = {quota.what: quota for quota in run(fake, lambda: cloud.catalogue(ClusterSpec(name="shop"), wanted)).quotas}
    assert (quotas["servers"].limit, quotas["servers"].used) == (6, 5)
    assert (quotas["vCPUs"].limit, quotas["vCPUs"].used) == (100, 10)


def test_an_unknown_external_network_is_noticed_before_anything_is_made():
    cloud, fake = registry.provider("openstack"), fakes.find("openstack")()
    spec = ClusterSpec(name="shop", providers={"openstack": {"externalNetwork": "moon"}})
    with pytest.raises(Exception, match="no results"):
        run(fake, lambda: cloud.catalogue(spec, Wanted(sizes=(), locations=(), images=())))


@pytest.mark.parametrize("name", NAMES)
def test_a_new_ssh_key_touches_no_server(name, tmp_path):
    """With the real engine, which alone knows what a replaced key pair does to those that use it."""
    fake, plan = fakes.find(name)(), plan_of(name, "single")
    with fake.serve() as provider:
        engine = Engine(tmp_path, registry.provider(name), provider)
        engine.up(plan)
        (server,) = fake.all("Instance")
        engine.up(replace(plan, ssh_public_key=plan.ssh_public_key.replace("sloth", "another")))
    assert fake.all("Instance") == [server]
    assert fake.made("Delete") == (["ssh-key"] if name == "openstack" else [])
    assert fake.made("Update") == ([] if name == "openstack" else ["ssh-key"])
    assert next(key["publicKey"] or key["sshKey"] for key in (*fake.all("Keypair"), *fake.all("SSHKey"))).endswith("another")


def test_flavors_without_a_disk_boot_from_a_volume():
    plan = replace(plan_of("openstack", "single"), options={"rootDisk": "40Gi", "volumeType": "ssd"})
    server = made("openstack", plan).all("Instance")[0]
    assert "imageId" not in server.inputs
    assert server["blockDevices"][0]["volumeSize"] == 40
    assert server["blockDevices"][0]["uuid"] == IMAGE["openstack"]


def test_a_balancer_for_nobody_is_closed_not_open():
    plan = replace(plan_of("openstack", "balanced"), access_api=("2001:db8::/32",))
    assert made("openstack", plan).all("Listener")[0]["allowedCidrs"] == [plan.network]


def test_vultr_pools_share_a_region():
    plan = plan_of("vultr", "ha")
    spec = spec_of("vultr", plan, size="vc2-2c-4gb", location=["fra", "ams"])
    (problem,) = registry.provider("vultr").check(spec)
    assert problem.code == "cloud/network-zone"
    assert list(registry.provider("vultr").check(replace(spec, providers={"vultr": {"size": "a", "location": "fra"}}))) == []


# Credentials

URL = "https://keystone.example.com/v3"


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No variable of the machine that the tests run on."""
    import os

    for name in [name for name in os.environ if name.startswith(("OS_", "VULTR_"))]:
        monkeypatch.delenv(name)


def environment(name, **options):
    found = registry.provider(name).environment(ClusterSpec(name="shop", providers={name: options}))
    return {key: value if isinstance(value, str) else ("secret", value.reveal()) for key, value in found.items()}


def test_vultr_takes_its_key_from_the_spec_or_else_the_environment(monkeypatch):
    monkeypatch.setenv("VULTR_API_KEY", "key-of-the-environment")
    monkeypatch.setenv("MY_KEY", "key-of-the-spec")
    assert environment("vultr") == {"VULTR_API_KEY": ("secret", "key-of-the-environment")}
    assert environment("vultr", apiKey={"env": "MY_KEY"}) == {"VULTR_API_KEY": ("secret", "key-of-the-spec")}


def test_vultr_without_a_key_says_how_to_give_one():
    with pytest.raises(CredentialsError) as caught:
        environment("vultr")
    assert caught.value.code == "cloud/no-credentials"
    assert "VULTR_API_KEY" in caught.value.hint


def test_openstack_names_everything_that_is_missing_at_once():
    with pytest.raises(CredentialsError) as caught:
        environment("openstack", authUrl=URL)
    assert caught.value.code == "cloud/no-credentials"
    assert all(name in caught.value.summary for name in ("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME"))
    assert "OS_AUTH_URL" not in caught.value.summary


def test_openstack_with_an_application_credential_hides_the_user_of_the_environment(monkeypatch):
    for name in ("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME"):
        monkeypatch.setenv(name, "somebody-else")
    monkeypatch.setenv("OS_REGION_NAME", "RegionOne")
    monkeypatch.setenv("MY_SECRET", "secret-of-the-credential")
    found = environment("openstack", authUrl=URL, credentialId="c0ffee", credentialSecret={"env": "MY_SECRET"})
    assert found == {
        "OS_AUTH_URL": URL, "OS_APPLICATION_CREDENTIAL_ID": "c0ffee", "OS_REGION_NAME": "RegionOne",
        "OS_APPLICATION_CREDENTIAL_SECRET": ("secret", "secret-of-the-credential"),
        "OS_USERNAME": "", "OS_PASSWORD": "", "OS_PROJECT_NAME": "",
    }  # fmt: skip


def test_openstack_reads_an_openrc_environment(monkeypatch):
    rc = {"OS_AUTH_URL": URL, "OS_USERNAME": "robot", "OS_PROJECT_NAME": "web", "OS_USER_DOMAIN_NAME": "Default"}
    for name, value in {**rc, "OS_PASSWORD": "pass-of-the-robot"}.items():
        monkeypatch.setenv(name, value)
    assert environment("openstack") == {**rc, "OS_PASSWORD": ("secret", "pass-of-the-robot")}


def test_openstack_takes_an_entry_of_clouds_yaml(monkeypatch):
    monkeypatch.setenv("OS_CLOUD", "mycloud")
    assert environment("openstack") == {"OS_CLOUD": "mycloud"}
    assert environment("openstack", cloud="other", region="R2") == {"OS_CLOUD": "other", "OS_REGION_NAME": "R2"}


@pytest.mark.parametrize("name", NAMES)
def test_refusals_are_understood(name):
    """The texts of the fake are the cloud's own, as far as its sources tell them."""
    from sloth.adapters.pulumi.faults import classify

    fake, own = fakes.find(name), registry.provider(name).faults
    words = {"size": "m", "location": "l", "what": "Port a", "by": "Instance b", "seconds": 1}
    conflicts = ("conflict",) if name == "openstack" else ()  # names at Vultr need not differ
    for kind in ("credentials", "quota", "capacity", "rate-limit", "in-use", "not-found", *conflicts):
        fault = classify(fake.texts[kind].format(**words), own)
        assert fault is not None, kind
        assert fault.kind == kind, fake.texts[kind]
