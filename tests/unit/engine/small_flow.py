"""A small but whole flow on fakes that outlive the process: three nodes, leases, machines, guarded steps, records."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sloth.engine.journal import Journal, unfinished
from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.engine.stop import Stop
from sloth.model.cluster import Cluster
from sloth.model.event import Event
from sloth.model.node import Lease, Login, Machine, Node
from sloth.model.phase import Connect, Each, Keep, MakeMachines, PhaseRun, SurveyMachines
from sloth.model.plan import MachineRequest, Plan
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec
from sloth.model.step import Ask, Do, Put, Result, Script, Wait
from sloth.testing import FakeHost, FakeHosts, FakeMachines, MemoryState

NAMES = ("cp-1", "work-1", "work-2")


class Leases:
    """Addresses and keys, made once."""

    title = "Leases"

    def run(self, cluster: Cluster) -> PhaseRun:
        if not cluster.record.leases:
            leases = tuple(
                Lease(
                    name=name,
                    pool=name[:-2],
                    role="control-plane" if name == "cp-1" else "worker",
                    provider="fake",
                    mesh_address=f"10.90.0.{secrets.randbelow(250) + 1}",
                    pod_cidr=f"10.42.{n}.0/24",
                )
                for n, name in enumerate(NAMES)
            )
            key = Secret(secrets.token_hex(16))
            yield Keep(change=lambda record: replace(record, leases=leases, ssh_key=key))
        return cluster


class Machines:
    """One machine per lease."""

    title = "Machines"

    def run(self, cluster: Cluster) -> PhaseRun:
        before = {machine.name for machine in (yield SurveyMachines(provider="fake"))}
        leases = cluster.record.leases
        wanted = tuple(MachineRequest(name=lease.name, cluster="c", pool=lease.pool, role=lease.role) for lease in leases)
        made: tuple[Machine, ...] = yield MakeMachines(provider="fake", wanted=wanted)
        nodes = tuple(Node(lease=lease, machine=machine) for lease, machine in zip(leases, made, strict=True))
        yield Connect(logins=tuple(Login(node=node.name, address=node.machine.address) for node in nodes))
        return replace(cluster, nodes=nodes, fresh=frozenset(NAMES) - before)


class Prepare:
    """Files and programs on every node, one round trip."""

    title = "Prepare"

    def run(self, cluster: Cluster) -> PhaseRun:
        yield Each(title=self.title, scripts={node.name: self._script(node) for node in cluster.nodes})
        return cluster

    def _script(self, node: Node) -> Script[str]:
        results = yield [
            Ask(title="look", run="cat /etc/hostname", check=False),
            Do(title="install", run="install runtime", unless="test -e /usr/bin/runtime"),
            Put(path="/etc/runtime.conf", content=f"address={node.mesh_address}\n", then="restart runtime"),
            Do(title="make key", run="make key", unless="test -f /etc/mesh.key"),
            Ask(title="read key", run="cat /etc/mesh.key", expected="key"),
        ]
        assert isinstance(results, list)
        return results[-1].out


class Join:
    """The first node founds, the others join side by side; each membership is recorded."""

    title = "Join"

    def run(self, cluster: Cluster) -> PhaseRun:
        server, *others = cluster.nodes
        yield Each(title="found", scripts={server.name: self._found()})
        yield Keep(change=lambda record: record.with_node(server.name, joined=True))
        new = [node for node in others if not cluster.record.node(node.name).joined]
        yield Each(title="join", scripts={node.name: self._join() for node in new})
        names = [node.name for node in new]

        def change(record: Record) -> Record:
            for name in names:
                record = record.with_node(name, joined=True)
            return record

        yield Keep(change=change)
        return cluster

    def _found(self) -> Script[None]:
        yield Do(title="found", run="found", unless="test -e /var/lib/founded")
        yield Wait(title="answers", until="test -e /var/lib/founded")

    def _join(self) -> Script[None]:
        seen = yield Ask(title="member", run="test -e /var/lib/joined", check=False)
        assert isinstance(seen, Result)
        if not seen.ok:
            yield Do(title="join", run="join", unless="test -e /var/lib/joined")


PHASES = (Leases(), Machines(), Prepare(), Join())
GUARDED = ("install", "make key", "found", "join")


def make_host(name: str, directory: Path, after: Callable[[str], None]) -> FakeHost:
    host = FakeHost(name, directory, after_step=lambda step: after(f"{name}: {step.title}"))
    host.on("install runtime", lambda host, _: host.write("/usr/bin/runtime", "program"))
    host.on("restart runtime", lambda host, _: None)
    host.on("make key", lambda host, _: host.write("/etc/mesh.key", secrets.token_hex(8)))
    host.on("found", lambda host, _: host.write("/var/lib/founded", "yes"))
    host.on("join", lambda host, _: host.write("/var/lib/joined", "yes"))
    host.files.setdefault("/etc/hostname", ("", 0o644, "root:root"))
    return host


@dataclass
class SmallFlow:
    """The flow on fakes below a directory."""

    directory: Path
    rig: Rig
    hosts: FakeHosts
    machines: FakeMachines
    state: MemoryState
    events: list[Event]
    resumed: str = ""

    def run(self) -> None:
        record = self.state.load() or Record(cluster="c")
        cluster = Cluster(spec=ClusterSpec(name="c"), record=record, plan=Plan(leases=()))
        run_phases(PHASES, cluster, self.rig)

    def changes(self) -> int:
        saves = self.state.saves
        return saves + sum(event.changed for event in self.events if event.kind == "step-finished")

    def snapshot(self) -> dict[str, Any]:
        record = self.state.load()
        return {
            "leases": [repr(lease) for lease in record.leases] if record else [],
            "key": record.ssh_key.reveal() if record and record.ssh_key else "",
            "machines": sorted((machine.name, machine.id) for machine in self.machines.survey()),
            "keys": {
                name: host.text("/etc/mesh.key") for name, host in self.hosts.hosts.items() if "/etc/mesh.key" in host.files
            },
        }

    def problems(self, then: dict[str, Any]) -> list[str]:
        now = self.snapshot()
        found = [f"{what} changed" for what in ("leases", "key") if then.get(what) and then[what] != now[what]]
        kept = {tuple(item) for item in then.get("machines", [])} <= {tuple(item) for item in now["machines"]}
        found += [] if kept and len(now["machines"]) == 3 else [f"machines: {then.get('machines')} became {now['machines']}"]
        found += [f"{name}: its key changed" for name, key in then.get("keys", {}).items() if now["keys"].get(name) != key]
        for name, host in self.hosts.hosts.items():
            times = Counter(title for title, _ in host.ran)
            wanted = {"install": 1, "make key": 1, "found": int(name == "cp-1"), "join": int(name != "cp-1")}
            found += [f"{name}: “{t}” ran {times[t]} times" for t in GUARDED if times[t] != wanted[t]]
        record = self.state.load()
        if not record or not all(record.node(name).joined for name in NAMES):
            found.append("not every membership is recorded")
        return found


def make(directory: Path, tick: Callable[[str], None], stop: Stop | None = None) -> SmallFlow:
    """The flow, with `tick` called after each change."""
    hosts = FakeHosts()
    for name in NAMES:
        hosts.add(make_host(name, directory, tick))
    machines = FakeMachines(directory, after=tick)
    state = MemoryState(directory / "record", after_save=lambda _record: tick("saved"))
    events: list[Event] = []
    path = directory / "journal.jsonl"
    cut = unfinished(path)
    rig = Rig(
        transport=hosts,
        state=state,
        machines=lambda _provider: machines,
        emit=events.append,
        journal=Journal(path),
        stop=stop or Stop(),
    )
    return SmallFlow(directory, rig, hosts, machines, state, events, cut.text() if cut else "")
