"""The contract suites over every plugin that the registry finds, and the registry itself."""

from importlib.metadata import EntryPoint
from ipaddress import ip_network

import pytest

from sloth import registry
from sloth.contracts.cloud import Cloud
from sloth.contracts.distribution import Distribution
from sloth.contracts.provider import Provider
from sloth.errors import InternalError, UsageError
from sloth.testing import contract


@pytest.fixture
def fresh():
    """A registry that has forgotten everything, before and after."""
    registry.names.cache_clear()
    registry._load.cache_clear()
    yield
    registry.names.cache_clear()
    registry._load.cache_clear()


def test_the_bundled_plugins_are_found():
    assert {"local"} <= set(registry.names("providers"))
    assert {"kubeadm"} <= set(registry.names("distributions"))
    assert list(registry.names("providers")) == sorted(registry.names("providers"))


@pytest.mark.parametrize("name", registry.names("providers"))
def test_providers_keep_their_contract(name):
    plugin = registry.provider(name)
    assert isinstance(plugin, Provider)
    assert plugin.name == name
    assert contract.check_provider(plugin) == []


CLOUDS = [name for name in registry.names("providers") if isinstance(registry.provider(name), Cloud)]


@pytest.mark.parametrize("name", CLOUDS)
def test_clouds_keep_their_contract(name):
    assert contract.check_cloud(registry.provider(name)) == []


def test_no_two_clouds_use_the_same_network_unless_told_to():
    networks = {name: ip_network(registry.provider(name).default_network) for name in CLOUDS}
    clashes = [(a, b) for a in CLOUDS for b in CLOUDS if a < b and networks[a].overlaps(networks[b])]
    assert clashes == []


@pytest.mark.parametrize("name", registry.names("distributions"))
def test_distributions_keep_their_contract(name):
    plugin = registry.distribution(name)
    assert isinstance(plugin, Distribution)
    assert plugin.name == name
    assert contract.check_distribution(plugin) == []


@pytest.mark.parametrize(("ask", "kind"), [(registry.provider, "provider"), (registry.distribution, "distribution")])
def test_an_unknown_plugin_is_refused_with_the_known_ones(ask, kind):
    with pytest.raises(UsageError) as caught:
        ask("nonsense")
    assert caught.value.code == f"plugin/unknown-{kind}"
    assert all(name in caught.value.hint for name in registry.names(f"{kind}s"))


def _announce(monkeypatch, name, value):
    point = EntryPoint(name=name, value=value, group="sloth.providers")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "sloth.providers" else [])


def test_a_strangers_plugin_is_found_by_its_entry_point(monkeypatch, fresh):
    _announce(monkeypatch, "mine", "tests.contract.test_plugins:MINE")
    assert "mine" in registry.names("providers")
    assert registry.provider("mine") == MINE


def test_two_plugins_of_one_name_are_refused(monkeypatch, fresh):
    _announce(monkeypatch, "local", "stranger:PLUGIN")
    with pytest.raises(InternalError) as caught:
        registry.provider("local")
    assert caught.value.code == "plugin/duplicate"
    assert "stranger:PLUGIN" in caught.value.hint


MINE = "a plugin of somebody else"
