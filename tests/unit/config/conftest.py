"""Throw-away plugins in place of the bundled ones, so that these tests say nothing about any real provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sloth import registry
from sloth.config.load import Loaded, load
from sloth.errors import ConfigError, SlothError
from sloth.model.spec import ClusterSpec


@dataclass
class ToyProvider:
    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    nets: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[SlothError] = ()

    def options_schema(self) -> Mapping[str, Any]:
        return self.schema

    def networks(self, spec: ClusterSpec) -> Mapping[str, str]:
        return self.nets

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        return self.problems


@dataclass
class ToyDistribution:
    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)

    def options_schema(self) -> Mapping[str, Any]:
        return self.schema

    def versions(self) -> Sequence[str]:
        return ("v1.36.3", "v1.36.2", "v1.35.9")

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        if spec.kubernetes.args.get("etcd", {}).get("heartbeat-interval") == "0":
            where = "spec.kubernetes.etcd.args.heartbeat-interval"
            return [ConfigError("toy/heartbeat", "etcd without a heartbeat", where=where, hint="remove `heartbeat-interval`")]
        return []


SECRET = {"$ref": "#/$defs/secret", "title": "Token", "description": "API token.", "examples": [{"env": "CLOUD_TOKEN"}]}
CLOUD = {
    "provider": {
        "type": "object",
        "properties": {
            "region": {
                "type": "string",
                "enum": ["north", "south"],
                "default": "north",
                "title": "Region",
                "description": "Where.",
                "examples": ["south"],
            },
            "network": {
                "$ref": "#/$defs/cidr",
                "title": "Network",
                "description": "Private network.",
                "examples": ["10.10.0.0/16"],
            },
            "token": SECRET,
            "userData": {"type": "string", "title": "User data", "description": "Text for first boot.", "examples": ["hostname"]},
        },
    },
    "pool": {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "string", "title": "Size", "description": "Machine type.", "examples": ["large"]},
            "disk": {
                "type": "integer",
                "minimum": 10,
                "exclusiveMaximum": 1000,
                "default": 40,
                "title": "Disk",
                "description": "GB.",
                "examples": [80],
            },
            "zones": {
                "type": "array",
                "items": {"$ref": "#/$defs/zone"},
                "title": "Zones",
                "description": "Zones.",
                "examples": [["a"]],
            },
            "spot": {"type": "boolean", "title": "Spot", "description": "Spot.", "examples": [True]},
        },
        "$defs": {"zone": {"type": "string", "pattern": "^[a-c]$"}},
        "not": {"required": ["disk", "spot"]},
    },
}
SSH = {
    "provider": {
        "type": "object",
        "properties": {
            "user": {"type": "string", "default": "root", "title": "User", "description": "Login.", "examples": ["admin"]},
            "key": {**SECRET, "title": "Key"},
        },
    }
}


class CloudProvider(ToyProvider):
    def networks(self, spec: ClusterSpec) -> Mapping[str, str]:
        network = spec.providers.get("cloud", {}).get("network")
        return {"spec.providers.cloud.network": network} if network else {}

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        return [
            ConfigError(
                "cloud/size",
                f"there is no size `{pool.options['size']}`",
                where=f"spec.pools[{index}].size",
                hint="write `large`",
            )
            for index, pool in enumerate(spec.pools)
            if pool.provider == "cloud" and pool.options["size"] == "gigantic"
        ]


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    providers = {
        "cloud": CloudProvider("cloud", CLOUD),
        "local": ToyProvider("local"),
        "ssh": ToyProvider("ssh", SSH),
    }
    distributions = {
        "kubeadm": ToyDistribution("kubeadm"),
        "toy": ToyDistribution("toy", {"type": "object", "properties": {"datastore": {"type": "string", "default": "etcd"}}}),
    }
    kinds: dict[str, dict[str, Any]] = {"providers": providers, "distributions": distributions}
    monkeypatch.setattr(registry, "names", lambda kind: tuple(sorted(kinds[kind])))
    monkeypatch.setattr(registry, "provider", lambda name: providers[name])
    monkeypatch.setattr(registry, "distribution", lambda name: distributions[name])
    yield kinds


class Spec:
    """Writes spec files into a test's own directory and loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str | bytes, name: str = "sloth.yaml") -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self, *texts: str) -> Loaded:
        return load([self.write(text, f"{number}.yaml") for number, text in enumerate(texts)])

    def problems(self, *texts: str) -> list[ConfigError]:
        with pytest.raises(ConfigError) as caught:
            self.load(*texts)
        return list(caught.value.problems) or [caught.value]


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return Spec(tmp_path)
