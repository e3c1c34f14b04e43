"""Whatever a spec becomes: it loads, or it is a ConfigError. And what loads, shows itself as the same spec."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth.config.load import load
from sloth.config.show import effective
from sloth.errors import ConfigError

RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FULL: dict[str, Any] = {
    "apiVersion": "sloth.dev/v1",
    "kind": "Cluster",
    "metadata": {"name": "shop", "labels": {"team": "web"}},
    "spec": {
        "protect": True,
        "kubernetes": {
            "distribution": "kubeadm",
            "version": "1.36.3",
            "api": {"hostname": "api.example.com", "extraSANs": ["a.example.com", "10.0.0.1"]},
            "kubelet": {"config": {"maxPods": 99, "evictionHard": {"memory.available": "5%"}}},
            "apiServer": {"args": {"v": 2, "profiling": False}},
            "etcd": {"args": {"snapshot-count": "10000"}},
        },
        "providers": {
            "cloud": {"region": "south", "network": "10.10.0.0/16", "token": {"env": "TOKEN"}},
            "ssh": {"key": {"file": "~/.ssh/id"}},
        },
        "pools": [
            {"name": "control", "role": "control-plane", "count": 3},
            {
                "name": "work",
                "role": "worker",
                "provider": "cloud",
                "size": "large",
                "labels": {"a/b": "c"},
                "taints": ["k=v:NoExecute"],
            },
            {"name": "rack", "role": "worker", "provider": "ssh", "hosts": [{"name": "r1", "address": "10.1.1.1", "port": 2222}]},
        ],
        "mesh": {"kind": "wireguard", "cidr": "10.90.0.0/16", "port": 51820, "mtu": "auto"},
        "network": {"pods": "10.42.0.0/16", "services": "10.43.0.0/16", "cni": "mesh", "dnsDomain": "cluster.local"},
        "artifacts": {"source": "mirror", "mirror": "https://mirror.example.com"},
    },
}


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, child in children for found in paths(child, (*path, name)))]


PATHS = paths(FULL)
NASTY = st.sampled_from(
    ["", " ", "on", "no", "null", "1.30", "-1", "a" * 300, "кластер", "🦥", "a\nb", "\u202e", "0.0.0.0/0", "255.255.255.255/32",
     "10.0.0.0/33", "::/0", "{", "!x", "&a", "*a", "local", "ssh", "cloud", "worker", "control-plane", "kubeadm", "toy", "mirror",
     "-----BEGIN PRIVATE KEY-----"]
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=20) | NASTY
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY | st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MUTATION = st.tuples(
    st.sampled_from(PATHS), st.sampled_from(["replace", "delete", "add", "swap"]), ANYTHING, st.sampled_from(PATHS), NASTY
)


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def mutate(spec: Any, mutation: tuple[Any, ...]) -> Any:
    path, how, value, other, word = mutation
    try:
        if how == "swap":
            value, how = copy.deepcopy(at(spec, other)), "replace"
        holder = at(spec, path[:-1])
        if not path:
            return value
        if how == "delete":
            del holder[path[-1]]
        elif how == "add" and isinstance(at(spec, path), dict):
            at(spec, path)[word] = value
        else:
            holder[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        pass  # an earlier mutation took the place away
    return spec


def loads(path: Path) -> None:
    """Load; if it is valid, what it shows must be the same spec."""
    try:
        loaded = load([path])
    except ConfigError as error:
        for problem in error.problems or (error,):
            assert problem.where and problem.hint and problem.summary
            problem.summary.encode()  # no lone surrogates: they could not be printed
        return
    path.write_text(effective(loaded), "utf-8")
    again = load([path])
    assert again.spec == loaded.spec
    assert again.raw == loaded.raw


def test_the_full_spec_is_valid(tmp_path):
    path = tmp_path / "sloth.yaml"
    path.write_text(yaml.safe_dump(FULL))
    assert load([path]).spec.pools[1].options["size"] == "large"


@RELAXED
@given(mutations=st.lists(MUTATION, min_size=1, max_size=4))
def test_any_mutation_loads_or_is_a_config_error(tmp_path, mutations):
    spec = copy.deepcopy(FULL)
    for mutation in mutations:
        spec = mutate(spec, mutation)
    path = tmp_path / "sloth.yaml"
    path.write_bytes(yaml.safe_dump(spec, allow_unicode=True).encode("utf-8", "replace"))
    loads(path)


@RELAXED
@given(data=st.data())
def test_any_damage_to_the_text(tmp_path, data):
    text = yaml.safe_dump(FULL)
    at_ = data.draw(st.integers(0, len(text)))
    piece = data.draw(
        st.text(max_size=6)
        | st.sampled_from(
            ["\t", "\n", "- ", ": ", "{", "]", '"', "'", "|", "&a ", "*a", "<<: ", "!!", "---\n", "%", "#", "\0", '"\\U00110000"']
        )
    )
    cut = data.draw(st.integers(0, 30))
    path = tmp_path / "sloth.yaml"
    path.write_bytes((text[:at_] + piece + text[at_ + cut :]).encode("utf-8", "surrogatepass"))
    loads(path)


@RELAXED
@given(blob=st.binary(max_size=200))
def test_any_bytes(tmp_path, blob):
    path = tmp_path / "sloth.yaml"
    path.write_bytes(blob)
    loads(path)


@RELAXED
@given(base=ANYTHING, over=ANYTHING)
def test_any_overlay(tmp_path, base, over):
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file, value in zip(files, ({**FULL, "spec": base}, {"metadata": {}, "spec": over}), strict=True):
        file.write_bytes(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "replace"))
    with pytest.raises(ConfigError) as caught:
        load(files)
    assert caught.value.exit == 10
