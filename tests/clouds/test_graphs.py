"""What every cloud plugin's program declares, and what changes when the spec does: over all clouds that the registry finds."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec
from tests.clouds import sdk, specs
from tests.clouds.graph import SECRET, asked, graph
from tests.clouds.plugins import CLOUDS

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "clouds"
CASES = [(name, spec) for name, cloud in CLOUDS.items() for spec in specs.possible(cloud)]
SPLIT = [(name, spec) for name, spec in CASES if spec != "balanced"]


@cache
def standard(name, spec):
    return graph(CLOUDS[name], specs.plan(CLOUDS[name], spec))


each_case = pytest.mark.parametrize(("name", "spec"), CASES)


@each_case
def test_the_graph_is_the_reviewed_one(name, spec, golden):
    folder = GOLDEN / name
    folder.mkdir(exist_ok=True)
    golden(folder / f"{spec}.json", standard(name, spec).text())


@each_case
def test_inputs_are_what_the_typed_sdk_knows(name, spec):
    found = standard(name, spec)
    for key, made in found.resources.items():
        kind = sdk.resource(key.split(" ")[0])
        assert sdk.properties(kind.inputs, kind.required, _refs_unknown(made["inputs"]), key) == []


def _refs_unknown(value):
    """References to other resources as the engine has them before it acts: of any type."""
    if isinstance(value, dict):
        return {key: _refs_unknown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_refs_unknown(item) for item in value]
    return sdk.UNKNOWN if isinstance(value, str) and value.startswith("${") else value


@each_case
def test_every_server_answers_its_id_and_addresses(name, spec):
    plan = specs.plan(CLOUDS[name], spec)
    found = graph(CLOUDS[name], plan)
    assert sorted(found.outputs["servers"]) == sorted(server.name for server in plan.servers)
    for server in plan.servers:
        made = found.outputs["servers"][server.name]
        assert set(made) >= {"id", "address", "private_address"}
        assert made["id"] and made["private_address"], server.name
        assert bool(made["address"]) is server.public, server.name
    assert bool(found.outputs.get("balancer")) is bool(plan.balance)
    assert all(isinstance(value, str) and value for value in found.shared.values())


@each_case
def test_user_data_is_a_secret_everywhere(name, spec):
    text = standard(name, spec).text()
    assert SECRET in text
    assert "cloud-config" not in text


@each_case
def test_all_that_holds_a_secret_is_sealed_when_it_is_taken_over(name, spec):
    found = {
        (key.split(" ")[0], prop)
        for key, made in standard(name, spec).resources.items()
        for prop, value in made["inputs"].items()
        if SECRET in str(value)
    }
    assert found == {(token, prop) for token, props in CLOUDS[name].sealed.items() for prop in props}


@each_case
def test_the_cluster_is_written_on_resources_that_can_carry_it(name, spec):
    """The tag itself, or the form of it that the cloud's rules for labels allow; see the plugin's page."""
    found = standard(name, spec)
    bare = [
        key
        for key, made in found.resources.items()
        if {"tags", "labels"} & set(sdk.resource(key.split(" ")[0]).inputs)
        and not any(_tells_the_cluster(made["inputs"].get(field)) for field in ("tags", "labels"))
    ]
    assert bare == []


def _tells_the_cluster(tags):
    words = [f"{key}={value}" for key, value in tags.items()] if isinstance(tags, dict) else tags or ()
    return any(re.search(r"sloth[:./_-](dev/)?cluster[:=_-]shop", word) for word in words)


@each_case
def test_the_same_plan_twice_is_the_same_graph(name, spec):
    cloud = CLOUDS[name]
    assert graph(cloud, specs.plan(cloud, spec)) == standard(name, spec)


@each_case
def test_one_more_node_adds_exactly_its_own_resources(name, spec):
    cloud = CLOUDS[name]
    plan, new = specs.with_one_more(cloud, specs.plan(cloud, spec))
    before, after = standard(name, spec), graph(cloud, plan)
    assert {key: after.resources[key] for key in before.resources} == before.resources
    added = set(after.resources) - set(before.resources)
    assert added == set(after.of(new))
    assert added


@pytest.mark.parametrize(("name", "spec"), [(name, spec) for name, spec in CASES if spec in ("ha", "balanced")])
def test_without_the_first_of_three_the_other_two_are_as_before(name, spec):
    cloud = CLOUDS[name]
    plan = specs.plan(cloud, spec)
    fewer = replace(plan, servers=plan.servers[1:], balance=plan.balance[1:])
    before, after = standard(name, spec), graph(cloud, fewer)
    assert set(before.resources) - set(after.resources) <= set(before.of("control-1"))
    for node in ("control-2", "control-3", "work-1", "work-2"):
        assert after.of(node) == before.of(node)
        assert after.of(node)


@each_case
def test_a_changed_image_or_user_data_replaces_nothing(name, spec):
    cloud = CLOUDS[name]
    plan = specs.plan(cloud, spec)
    other = [replace(item, image=f"{item.image}0", user_data=Secret("#cloud-config\n# other\n")) for item in plan.servers]
    before = graph(cloud, plan, show_secrets=True)
    after = graph(cloud, replace(plan, servers=tuple(other)), show_secrets=True)
    assert set(after.resources) == set(before.resources)
    changed = {}
    for key, made in after.resources.items():
        ignored = {path.split("[")[0].split(".")[0] for path in made.get("ignoreChanges", ())}
        old = before.resources[key]["inputs"]
        differ = {prop for prop in {*made["inputs"], *old} if made["inputs"].get(prop) != old.get(prop)}
        changed |= {key: differ} if differ else {}
        assert differ <= ignored, f"{key}: {sorted(differ - ignored)} would change it"
    assert len(changed) >= len(plan.servers)


@pytest.mark.parametrize(("name", "spec"), SPLIT)
def test_servers_of_another_stack_are_declared_alike(name, spec):
    """Large clusters have a network stack and server stacks: the shared ids come as plain texts then."""
    cloud = CLOUDS[name]
    plan = specs.plan(cloud, spec)
    whole = standard(name, spec)
    network, servers = graph(cloud, replace(plan, servers=())), graph(cloud, plan, shared=whole.shared)
    assert {**network.resources, **servers.resources}.keys() == whole.resources.keys()
    assert not set(network.resources) & set(servers.resources)


@each_case
def test_a_logical_name_is_one_resource(name, spec):
    """What a crash left is taken over by type and logical name, and what a node's deletion takes is told by it."""
    names = [key.split(" ", 1)[1] for key in standard(name, spec).resources]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "variable", "value", "account"),
    [
        ("aws", "AWS_PROFILE", "mine", "111122223333"),  # the cloud tells
        ("digitalocean", "DIGITALOCEAN_TOKEN", "t", "team-1"),
        ("gcp", "GOOGLE_PROJECT", "my-project", "my-project"),  # whoever logs in says
        ("azure", "ARM_SUBSCRIPTION_ID", "sub-1", "sub-1"),
        ("openstack", "OS_PROJECT_NAME", "shop", "shop"),
        ("hcloud", "HCLOUD_TOKEN", "t", ""),  # nobody tells
    ],
)
def test_whose_the_credentials_are(name, variable, value, account, monkeypatch):
    cloud = CLOUDS[name]
    for each in cloud.credentials:
        if not each.ways or each.ways == ("file",) or (name == "openstack" and "user" in each.ways):
            monkeypatch.setenv(each.variable, "x")
    monkeypatch.delenv("OS_CLOUD", raising=False)
    monkeypatch.setenv(variable, value)
    assert asked(cloud, lambda: cloud.account(ClusterSpec(name="shop"))) == account
