"""Putting the schema together from plugins, and explaining keywords that only plugins use."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from sloth.config.check import schema
from sloth.config.tree import as_path, show_path
from sloth.errors import MachinesError

POOL = """metadata: {name: demo}
spec:
  pools:
  - {name: control, role: control-plane}
  - {name: w, role: worker, provider: cloud, size: s%s}
"""


def codes(problems) -> list[tuple[str, str]]:
    return [(problem.code, problem.hint) for problem in problems]


def test_published_schema_knows_every_plugin():
    document = schema()
    Draft202012Validator.check_schema(document)
    spec = document["properties"]["spec"]["properties"]
    assert sorted(spec["providers"]["properties"]) == ["cloud", "local", "ssh"]
    assert spec["kubernetes"]["properties"]["distribution"]["enum"] == ["kubeadm", "toy"]
    assert "datastore" in spec["kubernetes"]["properties"]
    assert document["$defs"]["zone"]["pattern"] == "^[a-c]$"


def test_published_schema_keeps_providers_apart():
    validator = Draft202012Validator(schema())

    def valid(pool):
        return validator.is_valid(
            {"metadata": {"name": "a"}, "spec": {"pools": [{"name": "c", "role": "control-plane", **pool}]}}
        )

    assert valid({}) and valid({"provider": "cloud", "size": "large"})
    assert not valid({"size": "large"}) and not valid({"provider": "cloud"}) and not valid({"provider": "none"})


def test_keyword_without_its_own_explanation(spec):
    (problem,) = spec.problems(POOL % ", disk: 20, spot: true")
    assert problem.code == "config/value" and "spec.pools[1]" in problem.hint


def test_plugin_defs_and_bounds(spec):
    problems = spec.problems(POOL % ", disk: 5, zones: [d]")
    assert codes(problems) == [("config/range", "write at least 10"), ("config/format", "write text that matches ^[a-c]$")]


def test_distribution_fields_of_another_distribution_are_unknown(spec):
    (problem,) = spec.problems(POOL % "" + "  kubernetes: {datastore: etcd}\n")
    assert problem.code == "config/unknown-key"
    assert spec.load(POOL % "" + "  kubernetes: {distribution: toy}\n").spec.kubernetes.options == {"datastore": "etcd"}


@pytest.mark.parametrize(
    ("where", "line"),
    [("spec.pools[1].size", 5), ("spec.pools[1].image", 5), ("pool w", 2), ("", 2), ("spec.providers.cloud.region", 2)],
)
def test_a_plugins_problem_gets_its_place(spec, plugins, where, line):
    plugins["providers"]["ssh"].problems = [MachinesError("ssh/odd", "odd", where=where, hint="h")]
    text = POOL % "" + "  - {name: r, role: worker, provider: ssh, hosts: [{name: a, address: b}]}\n"
    (problem,) = spec.problems(text)
    assert problem.code == "ssh/odd" and problem.exit == 10
    assert int(problem.where.rsplit(":", 2)[1]) == (line if line != 2 else 3)


def test_a_plugin_may_name_the_pool_and_says_nothing_twice(spec, plugins):
    wheres = ("spec.pools[w].kubelet.clusterDNS", "spec.pools[w].kubelet.other", "spec.pools[none].kubelet", "spec.pools")
    plugins["providers"]["cloud"].check = lambda _: [MachinesError("cloud/odd", where, where=where, hint="h") for where in wheres]
    problems = spec.problems(POOL % ", kubelet: {clusterDNS: [10.0.0.1], other: 1}")
    assert [(problem.code, problem.where.rsplit(":", 2)[1]) for problem in problems] == [
        ("cloud/odd", "4"),
        ("cloud/odd", "4"),
        ("config/reserved", "5"),
        ("cloud/odd", "5"),
    ]


def test_networks_of_a_provider_that_are_none(spec, plugins):
    plugins["providers"]["local"].nets = {"spec.providers.local.network": "somewhere", "x": "fd00::/64"}
    assert spec.load(POOL % "").spec.name == "demo"


def test_networks_of_a_provider_without_a_path(spec, plugins):
    plugins["providers"]["local"].nets = {"docker's own": "10.42.7.0/24"}
    (problem,) = spec.problems(POOL % "")
    assert problem.code == "config/cidr-overlap" and "spec.providers.local" in problem.summary + problem.detail


@pytest.mark.parametrize(
    "path", [("spec", "pools", 0, "name"), ("metadata", "name"), ("spec", "kubernetes", "api", "extraSANs", 12)]
)
def test_paths_are_written_and_read(path):
    assert as_path(show_path(path)) == path


def test_many_unlike_items_are_compared_in_time(spec):
    items = ", ".join(f"{number}, a{number}" for number in range(3000))
    problems = spec.problems(POOL % f", taints: [{items}]")
    assert {problem.code for problem in problems} == {"config/length", "config/type"}
