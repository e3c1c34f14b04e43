"""The fake engine, and clusters to put on it."""

from __future__ import annotations

import importlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sloth import registry
from sloth.model.artifact import Artifact, Delivery
from sloth.model.event import Event
from sloth.model.plan import MachineRequest
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, PoolSpec

EMPTY: dict[str, Any] = {
    "calls": [], "unexpected": [], "containers": [], "networks": [], "volumes": [], "images": {}, "busy_ports": [],
    "stillborn": [], "foreign": [], "network_fault": "", "build_fault": "", "import_fault": "", "oven_fault": "",
    "engine_fault": "", "privileged": False, "cgroup": "1", "mirrors": "mirror.example.com",
}  # fmt: skip


def part(name: str) -> ModuleType:
    """A module of the plugin, reached through the registry's own name for it."""
    return importlib.import_module(f"{type(registry.provider('local')).__module__}.{name}")


class Engine:
    """The fake engine's state, to prepare and to look at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(json.dumps(EMPTY), "utf-8")

    @property
    def state(self) -> dict[str, Any]:
        return json.loads(self.path.read_text("utf-8"))

    def set(self, **changes: Any) -> None:
        self.path.write_text(json.dumps({**self.state, **changes}), "utf-8")

    def container(self, name: str) -> dict[str, Any]:
        (found,) = [item for item in self.state["containers"] if item["name"] == name]
        return found

    def put_state(self, name: str, value: str) -> None:
        state = self.state
        for item in state["containers"]:
            if item["name"] == name:
                item["state"] = value
        self.set(**state)

    def verbs(self) -> list[str]:
        return [call[0] for call in self.state["calls"]]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    folder = tmp_path / "bin"
    folder.mkdir()
    put_command(folder / "docker", f'exec {sys.executable} -I {Path(__file__).parent / "fake_docker.py"} "$@"')
    engine = Engine(tmp_path / "engine.json")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER", str(engine.path))
    monkeypatch.setenv("SLOTH_CACHE_DIR", str(tmp_path / "cache"))
    yield engine
    assert engine.state["unexpected"] == []


def put_command(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def spec(name: str = "demo", **fields: Any) -> ClusterSpec:
    pools = (
        PoolSpec(name="control", role="control-plane", provider="local", count=3),
        PoolSpec(name="work", role="worker", provider="local", count=2),
    )
    return ClusterSpec(**{"name": name, "pools": pools, **fields})


def request(name: str, cluster: str = "demo", secret: str = "BOOT-KEY-TEXT") -> MachineRequest:
    role = "control-plane" if name.startswith("control") else "worker"
    return MachineRequest(
        name=name, cluster=cluster, pool=name.rpartition("-")[0], role=role, ssh_public_key="ssh-ed25519 AAAAuser",
        boot_key_private=Secret(secret), boot_key_public="ssh-ed25519 AAAAhost",
    )  # fmt: skip


def store(folder: Path) -> Delivery:
    """A mirror with one binary and one image; the image's content is its name."""
    import hashlib

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for kind, name, where in (("binary", "ctr", "/usr/local/bin/ctr"), ("image", "pause", "registry.test/pause:1")):
        data = (where if kind == "image" else "program").encode()
        (folder / name).write_bytes(data)
        place = {"path": where} if kind == "binary" else {"ref": where}
        digest = hashlib.sha256(data).hexdigest()
        made.append(Artifact(name=name, version="v1", kind=kind, sha256=digest, size=len(data), file=name, **place))
    return Delivery(artifacts=tuple(made), store=str(folder))


class Cluster:
    """One cluster's machines on the fake engine, with its events."""

    def __init__(self, delivery: Delivery, **fields: Any) -> None:
        self.events: list[Event] = []
        self.spec = spec(**fields)
        self.machines: Any = registry.provider("local").machines(self.spec, self.events.append, delivery)

    def up(self, *names: str) -> list[Any]:
        return list(self.machines.apply([request(name, self.spec.name) for name in names]))


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return store(tmp_path / "store")


@pytest.fixture
def baked(engine: Engine, delivery: Delivery) -> Engine:
    """An engine that has the node image of `delivery` already."""
    cluster = Cluster(delivery)
    image = cluster.machines.image
    engine.set(images={image.ref: {"sloth.image": image.key, "sloth.mode": "capabilities", "sloth.bake": ""}})
    return engine
