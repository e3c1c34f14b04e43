"""Containers that boot systemd, and a transport over `docker exec`: hosts for the mesh, without SSH and without Kubernetes."""

from __future__ import annotations

import importlib
import json
import secrets
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sloth import registry
from sloth.contracts.transport import Session
from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.engine.shell import parse, render
from sloth.model.artifact import Delivery
from sloth.model.cluster import Cluster
from sloth.model.event import Event
from sloth.model.node import Login, Machine, Node
from sloth.model.phase import Connect, Phase, PhaseRun
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, MeshSpec, NetworkSpec, PoolSpec
from sloth.model.step import Result, Step
from sloth.phases.inspect import Inspect
from sloth.phases.mesh import Mesh
from sloth.phases.plan import plan
from sloth.testing.state import MemoryState


def docker(*words: str, stdin: bytes | None = None, check: bool = True, timeout: float = 120) -> str:
    done = subprocess.run(["docker", *words], input=stdin, capture_output=True, check=False, timeout=timeout)
    assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr.decode()}"
    return done.stdout.decode().strip()


class Bare:
    """As much of a distribution as the inspection needs."""

    def probe(self) -> str:
        return "echo kube.state=none"


class ExecTransport:
    """Root shells in containers; counts round trips."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.trips: list[tuple[str, list[str]]] = []

    def open(self, login: Login) -> Session:
        return _ExecSession(login.node, f"{self._prefix}-{login.node}", self.trips)


class _ExecSession:
    def __init__(self, node: str, container: str, trips: list[tuple[str, list[str]]]) -> None:
        self._node, self._container, self._trips = node, container, trips

    def run(self, steps: Sequence[Step]) -> Sequence[Result]:
        self._trips.append((self._node, [step.title for step in steps]))
        command = ["docker", "exec", "-i", self._container, "sh", "-s"]
        done = subprocess.run(command, input=render(steps), capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr.decode()
        return parse(steps, done.stdout)

    def close(self) -> None:
        pass


class LogIn:
    """A phase that only names the nodes."""

    title = "Log in"

    def run(self, cluster: Cluster) -> PhaseRun:
        yield Connect(logins=tuple(Login(node=node.name, address="") for node in cluster.nodes))
        return cluster


class Lab:
    """A network and containers `mesh-RANDOM-NODE`; everything of it is gone after `close`."""

    def __init__(self) -> None:
        self.prefix = f"mesh-{secrets.token_hex(3)}"
        self.transport = ExecTransport(self.prefix)
        self.state = MemoryState()
        self.state.save(Record(cluster="lab", mesh_seed=Secret(secrets.token_hex(32))))
        self.events: list[Event] = []
        local = type(registry.provider("local")).__module__
        part = {name: importlib.import_module(f"{local}.{name}") for name in ("docker", "image", "profile")}
        image = part["image"].NodeImage(part["docker"].Docker(), self.events.append, Delivery())
        self._run_options = part["profile"].run_options(image.ensure())
        self._image = image.ref
        self._made: list[str] = []
        self._network = docker("network", "create", self.prefix)

    def container(self, node: str) -> str:
        return f"{self.prefix}-{node}"

    def inside(self, node: str, command: str, check: bool = True, timeout: float = 120) -> str:
        return docker("exec", self.container(node), "sh", "-c", command, check=check, timeout=timeout)

    def spec(self, count: int, **mesh: Any) -> ClusterSpec:
        pool = PoolSpec(name="n", role="worker", provider="local", count=count)
        network = NetworkSpec(pods="10.213.0.0/16", services="10.214.0.0/16")
        return ClusterSpec(name="lab", pools=(pool,), mesh=MeshSpec(cidr="10.212.0.0/24", **mesh), network=network)

    def cluster(self, count: int, **mesh: Any) -> Cluster:
        """The cluster with containers for all its nodes."""
        spec = self.spec(count, **mesh)
        record = self.state.load()
        assert record is not None
        made = plan(spec, record)
        if made.leases != record.leases:
            record = self.state.save(replace(record, leases=made.leases))
        nodes = tuple(Node(lease=lease, machine=self._machine(lease.name)) for lease in made.leases)
        return Cluster(spec=spec, record=record, plan=Plan(leases=made.leases), nodes=nodes)

    def up(self, count: int, **mesh: Any) -> Cluster:
        """Inspect and mesh, by the real runner."""
        self.last = self.cluster(count, **mesh)
        return self.phases(self.last, LogIn(), Inspect(Bare()), Mesh())

    def phases(self, cluster: Cluster, *phases: Phase) -> Cluster:
        self.transport.trips.clear()
        rig = Rig(transport=self.transport, state=self.state, machines=_none, emit=self.events.append)
        return run_phases(phases, cluster, rig)

    def trips(self, node: str) -> list[list[str]]:
        """What was asked of a node in the last run, one list for each round trip."""
        return [titles for name, titles in self.transport.trips if name == node]

    def close(self) -> None:
        for container in self._made:
            docker("rm", "--force", "--volumes", container, check=False)
        docker("network", "rm", self._network, check=False)

    def _machine(self, node: str) -> Machine:
        container = self.container(node)
        if container not in self._made:
            self._made.append(container)
            tmpfs = ["--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec", "--stop-signal", "SIGRTMIN+3"]
            place = ["--name", container, "--hostname", node, "--network", self.prefix]
            docker("run", "-d", *place, *self._run_options, *tmpfs, self._image)
            self.booted(node)
        found = json.loads(docker("inspect", container))[0]["NetworkSettings"]["Networks"][self.prefix]["IPAddress"]
        return Machine(name=node, id=container, address="127.0.0.1", private_address=found, network=self.prefix)

    def address(self, node: str) -> str:
        """The host's address on the containers' network."""
        return next(each.machine.private_address for each in self.last.nodes if each.name == node)

    def booted(self, node: str) -> None:
        """Wait until systemd has started everything."""
        eventually(lambda: self.inside(node, "systemctl is-system-running", check=False) in ("running", "degraded"), timeout=60)


def _none(provider: str) -> Any:
    raise AssertionError(f"no machines are asked of {provider}")


def eventually(condition: Any, timeout: float) -> float:
    """Wait for it; returns the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout, f"not true after {timeout} s"
        time.sleep(0.25)
    return time.monotonic() - started
