"""The real verbs, desk, state, config and engine on toy machines: only registry's plugins and the SSH transport are replaced."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from sloth import registry
from sloth.adapters import api_transport, ssh
from sloth.adapters.state_file import StateFile
from sloth.contracts.provider import Provider
from sloth.errors import ConnectError
from sloth.model.options import Options
from sloth.testing import FakeMachines
from tests.unit.app import toy_nodes
from tests.unit.app.toy import Toy, ToyHost
from tests.unit.app.toy_api import ToyApi

SPEC = """apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: {name}}}
spec:
  protect: {protect}
  pools:
    - {{name: cp, role: control-plane, provider: local, count: {control}}}
    - {{name: work, role: worker, provider: local, count: {workers}}}
"""


class ToyProvider(Provider):
    """Machines that are kept in a directory."""

    name = "local"

    def __init__(self, world) -> None:
        self._world = world

    def options_schema(self):
        return {"provider": {"type": "object", "properties": {}}, "pool": {"type": "object", "properties": {}}}

    def check(self, spec):
        return ()

    def machines(self, spec, emit, delivery):
        return self._world.machines


class ToySession:
    """A connection to a host, which counts its round trips."""

    def __init__(self, host: ToyHost) -> None:
        self._host = host
        self.round_trips = 0

    def run(self, steps):
        self.round_trips += 1
        return self._host.run(steps)

    def close(self):
        pass


class World:
    """One directory with a spec, machines, hosts and sloth's own data; `tick` hears of everything that was done."""

    def __init__(self, directory: Path, tick=lambda _what: None, *, control=1, workers=2, name="demo") -> None:
        self.directory = directory
        self.name = name
        self.lock = threading.RLock()  # hosts look at each other
        self._tick = tick
        self.hosts: dict[str, ToyHost] = {}
        self.refused: set[str] = set()  # nodes that do not answer
        self.spec = directory / "sloth.yaml"
        if not self.spec.exists():
            self.write(control=control, workers=workers)
        self.machines = FakeMachines(directory, after=self.tick)

    def write(self, *, control=1, workers=2, protect="false"):
        self.spec.write_text(SPEC.format(name=self.name, control=control, workers=workers, protect=protect))

    def tick(self, what: str) -> None:
        self._tick(what)

    @property
    def options(self) -> Options:
        return Options(files=(self.spec,), state_dir=self.directory / "data")

    @property
    def state(self) -> StateFile:
        from sloth.app import state_of

        return state_of(self.options, self.name)

    def host(self, name: str) -> ToyHost:
        """The host behind a node's name: the disk of the machine that it has now."""
        machine = {m.name: m for m in self.machines.survey()}[name]
        if machine.id not in self.hosts:
            place = self.directory / "disks" / f"{name}-{machine.id}"
            place.mkdir(parents=True, exist_ok=True)
            host = ToyHost(name, place, lambda step: self.tick(f"{name}: {step.title}"), self.living)
            self.hosts[machine.id] = host
        return self.hosts[machine.id]

    def cordoned(self, host, name):
        """Whether Kubernetes, as that host knows it, lets no pods onto a node, and for what sloth holds it."""
        node = toy_nodes.node(host, name)
        return node["unschedulable"], node["held"]

    def cordon(self, host, name, cordoned, held):
        """Have it so."""
        toy_nodes.node(host, name).update(unschedulable=cordoned, held=held)

    def emptied(self, host, name):
        """Somebody has seen that no pod is on that node."""

    def living(self) -> dict[str, ToyHost]:
        """All hosts by node name."""
        return {machine.name: self.host(machine.name) for machine in self.machines.survey()}

    def open(self, login):
        """As an SSH transport: the host key that is shown must be one that the login accepts."""
        with self.lock:
            machine = {m.name: m for m in self.machines.survey()}.get(login.node)
            if machine is None or login.node in self.refused:
                raise ConnectError("connect/unreachable", f"{login.node} does not answer", hint="sloth up")
            host = self.host(login.node)
        shown = host.host_key or machine.host_key
        if not any(key.split()[:2] == shown.split()[:2] for key in login.host_keys):
            raise ConnectError("connect/host-key", f"{login.node} shows {shown}, known: {login.host_keys}", hint="sloth up")
        assert login.address == machine.address
        assert login.key is not None
        return ToySession(_Locked(host, self.lock))

    def install(self, monkeypatch) -> World:
        """Have sloth use this world; everything else is real."""
        real = StateFile.save
        provider, toy = ToyProvider(self), Toy()

        def save(state, record):
            saved = real(state, record)
            self.tick("saved")
            return saved

        monkeypatch.setattr(StateFile, "save", save)
        monkeypatch.setattr(registry, "provider", lambda name: provider)
        monkeypatch.setattr(registry, "distribution", lambda name: toy)
        monkeypatch.setattr(ssh, "SshTransport", lambda: self)
        monkeypatch.setattr(api_transport, "KubeTransport", lambda: ToyApi(self))
        for name in ("SLOTH_PASSPHRASE", "SLOTH_PASSPHRASE_FILE", "SLOTH_KEYRING", "KUBECONFIG"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SLOTH_DATA_DIR", str(self.directory / "data"))
        monkeypatch.setenv("SLOTH_CACHE_DIR", str(self.directory / "cache"))
        monkeypatch.setenv("HOME", str(self.directory / "home"))
        return self

    def snapshot(self) -> dict[str, object]:
        """What must never change once it is there."""
        record = self.state.load()
        hosts = self.living()
        return {
            "leases": {x.name: [x.mesh_address, x.pod_cidr] for x in record.leases} if record else {},
            "ssh key": record.ssh_public_key if record else "",
            "mesh seed": record.mesh_seed.reveal() if record and record.mesh_seed else "",
            "machines": {m.name: m.id for m in self.machines.survey()},
            "mesh keys": {
                n: h.text("/etc/wireguard/private.key") for n, h in hosts.items() if h.has("/etc/wireguard/private.key")
            },
            "members": {n: "yes" for n, h in hosts.items() if h.has("/var/lib/toy/member")},
            "kubeconfig": record.kubeconfig.reveal() if record and record.kubeconfig else "",
        }


class _Locked:
    """A host whose batches are done one at a time with all others': they look at each other's disks."""

    def __init__(self, host: ToyHost, lock) -> None:
        self._host = host
        self._lock = lock

    def run(self, steps):
        with self._lock:
            return self._host.run(steps)


def lost(then: dict[str, object], now: dict[str, object]) -> list[str]:
    """What was there and is there no more, or is another."""
    found = []
    for what, was in then.items():
        is_ = now[what]
        same = was.items() <= is_.items() if isinstance(was, dict) else was in ("", is_)
        found += [] if same else [f"{what}: {was} became {is_}"]
    return found


def journal(world: World) -> list[dict[str, object]]:
    """The lines of the journal."""
    path = world.directory / "data" / "clusters" / world.name / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
