"""The example of docs/guide/write-a-cloud.md is a plugin: it runs as it stands there."""

from __future__ import annotations

import re
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pulumi
import pytest

from sloth.contracts.cloud import Cloud
from sloth.errors import CredentialsError
from sloth.model.cloud import Wanted
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec
from sloth.testing import contract
from tests.clouds import specs
from tests.clouds.graph import asked

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "write-a-cloud.md"


@pytest.fixture
def cirrus(monkeypatch, tmp_path):
    """The SDK of a cloud that does not exist, and what its resources were given."""
    declared = []

    def resource(kind):
        def make(resource_name, opts=None, **inputs):
            declared.append((kind, resource_name, inputs, opts))
            return SimpleNamespace(id=f"id-of-{resource_name}", address="203.0.113.1", private_address="10.0.0.1")

        return make

    sdk = ModuleType("pulumi_cirrus")
    sdk.Network, sdk.Server = resource("Network"), resource("Server")
    sdk.Rule = lambda protocol, port, sources: (protocol, port, [*sources])
    tags = {"sloth:cluster": "shop", "sloth:node": "control-1"}
    sdk.get_servers = lambda tag: SimpleNamespace(
        servers=[
            SimpleNamespace(
                id="7", tags=tags, address=tag, private_address="10.0.0.1", network_id="n1", state="on", place="north"
            )
        ]
    )  # the question comes back as the address
    sdk.get_kinds = lambda: SimpleNamespace(kinds=[SimpleNamespace(name="c2", cpus=2, places=["north"])])
    sdk.get_places = lambda: SimpleNamespace(names=["north", "south"])
    sdk.get_images = lambda: SimpleNamespace(images=[SimpleNamespace(name="debian-12", id="12")])
    monkeypatch.setitem(sys.modules, "pulumi_cirrus", sdk)
    for file, text in re.findall(r"`providers/(cirrus/\w+\.py)`:\n\n```python\n(.*?)```", PAGE.read_text(), re.S):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    invalidate_caches()
    for name in ("cirrus", "cirrus.program", "cirrus.questions"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return SimpleNamespace(plugin=import_module("cirrus").PLUGIN, declared=declared)


def test_the_example_is_a_cloud_that_keeps_the_rules_of_its_page(cirrus):
    plugin = cirrus.plugin
    assert isinstance(plugin, Cloud)
    assert contract.check_cloud(plugin) == []
    plan = specs.plan(plugin, "single")
    answer = asked(plugin, lambda: plugin.server(plan, plan.servers[0], plugin.network(plan)))
    assert set(answer) == {"id", "address", "private_address"}
    (_, _, network, _), (_, name, server, opts) = cirrus.declared
    assert ("tcp", 6443, ["198.51.100.0/24"]) in network["rules"]
    assert (name, server["name"], server["network_id"]) == ("control-1", "shop-control-1", "id-of-network")
    assert network["tags"]["sloth:cluster"] == server["tags"]["sloth:cluster"] == "shop"
    assert set(opts.ignore_changes) == {"image", "user_data"}
    assert isinstance(server["user_data"], pulumi.Output)


def test_the_example_answers_questions(cirrus, monkeypatch):
    spec = ClusterSpec(name="shop", providers={"cirrus": {"token": {"env": "CIRRUS"}}})
    monkeypatch.delenv("CIRRUS_TOKEN", raising=False)
    (found,) = cirrus.plugin.survey(spec)
    assert (found.node, found.machine.name, found.machine.address) == ("control-1", "control-1", "sloth:cluster=shop")
    offer = cirrus.plugin.catalogue(spec, Wanted(sizes=(), locations=(), images=()))
    assert (offer.sizes["c2"].cpus, offer.images) == (2, {"debian-12": "12"})
    monkeypatch.setenv("CIRRUS", "a-token")
    assert cirrus.plugin.environment(spec) == {"CIRRUS_TOKEN": Secret("a-token")}
    with pytest.raises(CredentialsError):
        cirrus.plugin.environment(ClusterSpec(name="shop"))


def test_the_page_names_every_switch_and_field_that_it_lists():
    """What the page says of fakes is there."""
    from tests.clouds.fakes.base import Fake

    fields = re.findall(r"^  \| `(\w+)` \|", PAGE.read_text(), re.M)
    assert fields
    assert [name for name in fields if name not in Fake.__annotations__] == []
