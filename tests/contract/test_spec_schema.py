"""The published schema, with the real plugins: sound, documented, true to the model, and every field has an effect."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from sloth import registry
from sloth.config.assemble import assemble, core, own_pool_fields, pool_schema, resolve
from sloth.config.check import schema
from sloth.config.load import Loaded, load
from sloth.config.reference import markdown
from sloth.contracts.cloud import Cloud
from sloth.errors import ConfigError
from sloth.model import spec as model
from sloth.testing.contract import sample_cluster

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "spec.md"
TEMPLATES = sorted((ROOT / "templates" / "specs").glob("*.yaml"))

# Where a field of the file goes in the model, if its name is not the same in snake_case.
ATTRIBUTES = {
    "spec.kubernetes.encryption.enabled": "encryption",
    "metadata.name": "name",
    "metadata.labels": "labels",
    "spec.kubernetes.api.hostname": "hostname",
    "spec.kubernetes.api.extraSANs": "extra_sans",
    "spec.kubernetes.kubelet.config": "kubelet",
    "spec.kubernetes.registries.mirrors": "registries",
    "spec.kubernetes.api.loadBalancer": "load_balancer",
    "spec.network.dnsDomain": "dns_domain",
    **{f"spec.network.dns.{name}": f"dns.{name}" for name in ("provider", "zone", "ttl")},
    **{f"spec.kubernetes.{name}.args": "args" for name in ("apiServer", "controllerManager", "scheduler", "etcd")},
}


DOCUMENT = assemble(registry.names("providers"), registry.names("distributions"))


def leaves(node: dict[str, Any], path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Every field that holds a value, not more fields. Pools and hosts are entered as index 0."""
    for name, declared in node.get("properties", {}).items():
        field = dict(resolve(DOCUMENT, declared))
        here = (*path, name)
        if here == ("spec", "pools"):
            yield from leaves(DOCUMENT["$defs"]["pool"]["x-common"], (*here, 0))
        elif name == "hosts" and path[:2] == ("spec", "pools"):
            yield from leaves(DOCUMENT["$defs"]["host"], (*here, 0))
        elif field.get("properties") and not field.get("x-secret") and path[:2] != ("spec", "providers"):
            yield from leaves(field, here)
        elif path[:2] == ("spec", "providers") or here == ("spec", "providers"):
            continue
        else:
            yield here, field


def plugin_fields() -> list[tuple[str, str, dict[str, Any]]]:
    """(provider, field path, schema) of every option of every provider."""
    options = DOCUMENT["properties"]["spec"]["properties"]["providers"]["properties"]
    found = []
    for name in registry.names("providers"):
        found += [
            (name, f"spec.providers.{name}.{key}", dict(resolve(DOCUMENT, value)))
            for key, value in options[name]["properties"].items()
        ]
        pool = pool_schema(DOCUMENT, name)["properties"]
        found += [
            (name, f"spec.pools[].{key}", dict(resolve(DOCUMENT, pool[key]))) for key in sorted(own_pool_fields(DOCUMENT, name))
        ]
    return found


def distribution_fields() -> list[tuple[str, str, dict[str, Any]]]:
    """(distribution, field of `spec.kubernetes`, schema) of every option that only some distributions have."""
    return [
        (name, key, dict(value))
        for name in registry.names("distributions")
        for key, value in registry.distribution(name).options_schema().get("properties", {}).items()
    ]


LEAVES = list(leaves(DOCUMENT))
_OF_PLUGINS = {("spec", "kubernetes", key) for _, key, _ in distribution_fields()}
# There is another value. What only some distributions take is tried with each of them, below.
FREE = [(path, field) for path, field in LEAVES if len(field.get("enum", "??")) > 1 and path not in _OF_PLUGINS]


def title(path: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in path)


def test_it_is_a_schema_and_is_json():
    Draft202012Validator.check_schema(schema())
    assert json.loads(json.dumps(schema())) == schema()
    assert "x-common" not in json.dumps(schema())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_examples_are_valid(path: Path, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # the key that ssh.yaml names must be there
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").touch()
    spec = load([path]).spec
    assert spec.name
    Draft202012Validator(schema()).validate(yaml.safe_load(path.read_text()))


def test_the_first_spec_is_short():
    assert len(files("sloth.templates").joinpath("specs/first.yaml").read_text().splitlines()) <= 25


@pytest.mark.parametrize(("path", "field"), LEAVES, ids=lambda value: title(value) if isinstance(value, tuple) else "")
def test_every_field_is_documented(path: tuple[Any, ...], field: dict[str, Any]):
    assert field.get("title") and field.get("description") and field.get("examples"), path
    own = {key: value for key, value in field.items() if key not in ("properties", "required", "additionalProperties")}
    for example in field["examples"]:
        Draft202012Validator({**own, "$defs": DOCUMENT["$defs"]}).validate(example)


@pytest.mark.parametrize(
    ("provider", "where", "field"), plugin_fields(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_plugin_field_is_documented_and_consumed(provider: str, where: str, field: dict[str, Any]):
    assert field.get("description"), where
    name = where.rsplit(".", 1)[1]
    readers = [ROOT / "providers" / provider]
    if isinstance(registry.provider(provider), Cloud):  # what all clouds have in common is read for all of them
        readers += [ROOT / "sloth" / "contracts", ROOT / "sloth" / "cloud", ROOT / "sloth" / "adapters" / "pulumi"]
    text = "".join(path.read_text() for folder in readers for path in folder.rglob("*.py") if path.stem != "cloud_fields")
    assert len(re.findall(rf'["\']{name}["\']', text)) >= 1, f"{where} is declared, but no code of the plugin reads it"


@pytest.mark.parametrize(
    ("distribution", "key", "field"), distribution_fields(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_field_of_a_distribution_has_an_effect(distribution: str, key: str, field: dict[str, Any], tmp_path: Path):
    """Set to its example, it reaches the spec, and a file or command on a node changes with it."""
    assert key not in core()["properties"]["spec"]["properties"]["kubernetes"]["properties"], "it would be shadowed"
    plugin = registry.distribution(distribution)
    given = base()
    del given["spec"]["artifacts"]
    given["spec"]["kubernetes"] = {"distribution": distribution}
    plain = loaded(given, tmp_path).spec
    given["spec"]["kubernetes"][key] = field["examples"][0]
    changed = loaded(given, tmp_path).spec
    assert changed.kubernetes.options[key] == field["examples"][0] != plain.kubernetes.options[key]
    steps = []
    for each in (plain, changed):
        of = sample_cluster(distribution, plugin.versions()[0])
        kubernetes = dataclasses.replace(of.spec.kubernetes, options=each.kubernetes.options)
        of = dataclasses.replace(of, spec=dataclasses.replace(of.spec, kubernetes=kubernetes))
        steps.append(list(plugin.prepare(of.nodes[0], of)))
    assert steps[0] != steps[1]
    given["spec"]["kubernetes"]["distribution"] = "kubeadm"
    with pytest.raises(ConfigError) as caught:
        loaded(given, tmp_path)
    assert key in caught.value.summary + caught.value.detail


def test_the_page_is_current(golden):
    golden(PAGE, markdown())


@pytest.mark.parametrize(("path", "field"), LEAVES, ids=lambda value: title(value) if isinstance(value, tuple) else "")
def test_the_page_has_every_field(path: tuple[Any, ...], field: dict[str, Any]):
    assert field["description"].replace("|", "\\|") in PAGE.read_text(), path


# --- every accepted field has an effect


ELSEWHERE = {  # a change that is valid by itself, where an example of the field alone would not be
    ("spec", "pools", 0, "role"): {("spec", "pools", 0, "role"): "worker", ("spec", "pools", 1, "count"): 3},
    ("spec", "pools", 0, "provider"): {("spec", "pools", 0, "provider"): "local", ("spec", "pools", 0, "hosts"): None},
    ("spec", "pools", 0, "count"): {("spec", "pools", 1, "count"): 4},
    ("spec", "kubernetes", "api", "loadBalancer"): {
        ("spec", "kubernetes", "api", "loadBalancer"): "provider",
        ("spec", "pools", 0, "provider"): "local",
        ("spec", "pools", 0, "hosts"): None,
    },
    **{
        ("spec", "network", "dns", name): {
            ("spec", "kubernetes", "api", "hostname"): "api.example.com",
            ("spec", "network", "dns"): {"provider": "hcloud", "zone": "example.com", "ttl": ttl},
        }
        for name, ttl in (("provider", 300), ("zone", 300), ("ttl", 600))
    },
    **{
        ("spec", "backup", name): {
            ("spec", "backup"): {"to": "s3://bucket/a", "accessKey": {"env": "A"}, "secretKey": {"env": "B"}},
        }
        for name in ("accessKey", "secretKey")
    },
    ("spec", "kubernetes", "version"): {("spec", "kubernetes", "version"): registry.distribution("kubeadm").versions()[0]},
}


def base() -> dict[str, Any]:
    host = {"name": "h1", "address": "h1.example.com", "user": "root", "port": 22}
    pools = [
        {"name": "a", "role": "control-plane", "provider": "ssh", "hosts": [host]},
        {"name": "b", "role": "control-plane", "count": 2},
    ]
    return {"metadata": {"name": "demo"}, "spec": {"pools": pools, "artifacts": {"mirror": "/srv/mirror"}}}


def other(path: tuple[Any, ...], field: dict[str, Any], effective: Any) -> dict[tuple[Any, ...], Any]:
    """Changes that give the field another value than it has in `effective`."""
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    for part in path:
        effective = effective.get(part) if isinstance(effective, dict) else effective[part]
    choices = [*field["examples"], *field.get("enum", []), not effective]
    return {path: next(choice for choice in choices if choice != effective)}


def put(spec: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    for part in path[:-1]:
        spec = spec[part] if isinstance(part, int) else spec.setdefault(part, {})
    spec[path[-1]] = value


def loaded(spec: dict[str, Any], folder: Path) -> Loaded:
    path = folder / "sloth.yaml"
    path.write_text(yaml.safe_dump(spec))
    return load([path])


@pytest.mark.parametrize(("path", "field"), FREE, ids=lambda value: title(value) if isinstance(value, tuple) else "")
def test_a_changed_value_changes_the_spec(path: tuple[Any, ...], field: dict[str, Any], tmp_path: Path):
    before = loaded(base(), tmp_path)
    changed = base()
    for at, value in other(path, field, before.raw).items():
        put(changed, at, value)
    assert loaded(changed, tmp_path).spec != before.spec


def reads() -> set[str]:
    """Every attribute that is read in code outside the spec's own making."""
    found: set[str] = set()
    for folder in ("sloth", "providers", "distributions", "addons"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.relative_to(ROOT).parts[:2] in (("sloth", "config"), ("sloth", "model"), ("sloth", "testing")):
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    found.add(ast.unparse(node))
    return found


READS = reads()


def owners(path: tuple[Any, ...]) -> str:
    """How a holder of the field is called where it is read: `spec.mesh.cidr`, `pool.taints`, `host.user`."""
    attribute = ATTRIBUTES.get(title(path)) or re.sub(r"([A-Z])", r"_\1", str(path[-1])).lower()
    if "hosts" in path[2:]:
        return rf"(host|.*\.host)\.{attribute}$"
    if path[:2] == ("spec", "pools"):
        return rf"(.*\.)?(pool|.*pools?(\[.*\]|\(.*\))?)\.{attribute}$"
    if path[:3] == ("spec", "backup", "keep"):
        return rf"(.*\.)?keep\.{attribute}$"
    sections = {"backup", "kubernetes", "mesh", "network", "access", "artifacts"} & {str(part) for part in path}
    holder = sections.pop() if sections else "spec"
    return rf"(.*\.)?{holder}\.{attribute}$"


@pytest.mark.parametrize(("path", "field"), FREE, ids=lambda value: title(value) if isinstance(value, tuple) else "")
def test_every_field_is_read_somewhere(path: tuple[Any, ...], field: dict[str, Any]):
    pattern = re.compile(owners(path))
    assert any(pattern.match(read) for read in READS), (
        f"no code outside sloth.config reads {title(path)} (looked for {pattern.pattern})"
    )


def test_every_attribute_of_the_model_has_a_field():
    """The other way round: nothing in the model that no field can set."""
    targets = {ATTRIBUTES.get(title(path)) or re.sub(r"([A-Z])", r"_\1", str(path[-1])).lower() for path, _ in LEAVES}
    kinds = (model.KubernetesSpec, model.MeshSpec, model.NetworkSpec, model.ArtifactsSpec, model.PoolSpec, model.HostSpec)
    names = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert names - targets - {"hosts", "options", "dns"} == set()
