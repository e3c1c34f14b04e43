"""`sloth providers`: told from the plugins themselves, without an account and without loading an SDK."""

import json
import subprocess
import sys

import pytest
import yaml

from sloth import registry
from sloth.cli.providers import describe, lines, list_providers, show_provider, summary
from sloth.config.load import from_document
from sloth.contracts.cloud import Abilities, Credential
from sloth.errors import UsageError
from sloth.model.cloud import Quota
from sloth.model.options import Options
from tests.unit.cloud.toy import TOY, ToyCloud, catalogue

QUOTAS = (Quota(what="servers", limit=10, used=2),)
CLOUDS = [name for name in registry.names("providers") if name not in ("local", "ssh")]


def test_all_providers_are_listed_with_their_kind():
    rows = list_providers().data["providers"]
    assert [row["name"] for row in rows] == list(registry.names("providers"))
    kinds = {row["name"]: row["kind"] for row in rows}
    assert kinds == {**dict.fromkeys(CLOUDS, "cloud"), "local": "built in", "ssh": "built in"}
    assert all(row["about"] for row in rows)


def test_listing_and_showing_load_no_sdk():
    code = (
        "import sys; from sloth.cli.providers import list_providers, show_provider; list_providers(); show_provider('hcloud');"
        "print([name for name in sys.modules if name.partition('.')[0].startswith(('pulumi', 'ediri', 'grpc'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_sdk_that_is_not_installed_is_named_with_how_to_get_it():
    row = summary(TOY)
    assert row["installed"] is False
    assert row["install"] == "pip install 'sloth-kubernetes[toy]'"
    assert row["abilities"] == ["volumes"]


def test_an_unknown_provider_is_refused():
    with pytest.raises(UsageError) as caught:
        show_provider("hcoud")
    assert caught.value.code == "plugin/unknown-provider"


@pytest.mark.parametrize("name", registry.names("providers"))
def test_every_option_is_told_with_a_description_and_no_value_of_this_machine(name, monkeypatch):
    monkeypatch.setenv("HCLOUD_TOKEN", "a-token-that-must-not-be-shown")
    data = describe(registry.provider(name))
    for field in (*data["options"], *data["pool_options"]):
        assert field["description"], field
        assert field["type"], field
    page = "\n".join(lines(data))
    for field in (*data["options"], *data["pool_options"], *data["credentials"]):
        assert field["name"] in page
    assert "must-not-be-shown" not in page + json.dumps(data)


@pytest.mark.parametrize("name", CLOUDS)
def test_every_cloud_has_credentials_and_an_example_that_is_valid(name):
    data = describe(registry.provider(name))
    assert data["credentials"]
    assert yaml.safe_load(data["example"])["spec"]["pools"][0]["provider"] == name


def test_the_example_is_a_spec():
    assert from_document(yaml.safe_load(describe(registry.provider("hcloud"))["example"])).spec.pools[0].count == 3


def test_what_is_impossible_is_not_offered():
    fields = {field["name"] for field in describe(registry.provider("linode"))["pool_options"]}
    assert {"size", "location", "image", "volumes"} <= fields
    assert not {"public", "spot"} & fields


def test_credentials_are_the_variables_of_the_plugin_and_the_fields_that_give_them(monkeypatch):
    class Told(ToyCloud):
        abilities = Abilities()
        credentials = (
            Credential("TOY_TOKEN", what="A token"),
            Credential("TOY_REGION", "region", "A region", secret=False, needed=False, ways=("key", "user")),
        )

    monkeypatch.setattr(registry, "names", lambda _kind: ("toy",))
    monkeypatch.setattr(registry, "provider", lambda _name: Told())
    data = describe(Told())
    text = "A region; or spec.providers.toy.region; to log in by key or user; not always needed"
    assert data["credentials"] == [
        {"name": "TOY_TOKEN", "field": "", "needed": True, "description": "A token"},
        {"name": "TOY_REGION", "field": "spec.providers.toy.region", "needed": False, "description": text},
    ]
    assert "TOY_TOKEN" in "\n".join(lines(data))


def test_live_tells_what_the_cloud_offers(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "sloth.clouds.offer", lambda cloud, spec: asked.append((cloud.name, spec.name)) or catalogue(quotas=QUOTAS)
    )
    outcome = show_provider("hcloud", Options())
    assert asked == [("hcloud", "providers")]
    live = outcome.data["live"]
    assert live["locations"] == ["north", "south"]
    assert [(size["name"], size["cpus"]) for size in live["sizes"]] == [("arm", 2), ("small", 2), ("big", 8)]
    assert "  small: 2 CPUs, 4096 MiB, amd64, from 4.50 EUR a month (everywhere)" in outcome.text
    assert "  servers: 2 of 10 in use" in outcome.text
    assert json.dumps(outcome.data)
    assert "live" not in show_provider("hcloud").data


def test_live_asks_with_the_credentials_of_a_given_spec(monkeypatch, tmp_path):
    asked = []

    def offer(cloud, spec):
        asked.append(cloud.choices(spec, spec.pools[0], "size"))
        return catalogue()

    monkeypatch.setattr("sloth.clouds.offer", offer)
    file = tmp_path / "sloth.yaml"
    file.write_text(describe(registry.provider("hcloud"))["example"])
    show_provider("hcloud", Options(files=(file,)))
    assert asked == [("cx33",)]


def test_only_clouds_can_be_asked():
    with pytest.raises(UsageError) as caught:
        show_provider("local", Options())
    assert caught.value.code == "usage/no-offers"
