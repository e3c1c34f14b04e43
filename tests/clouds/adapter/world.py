"""One cluster at a fake cloud, driven as `sloth up` and `sloth down` drive it, run after run with nothing kept but files."""

from __future__ import annotations

import copy
import itertools
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sloth.adapters.pulumi.command import Command
from sloth.adapters.pulumi.machines import CloudMachines
from sloth.adapters.pulumi.stack import Engine
from sloth.engine.stop import Stop
from sloth.errors import SlothError
from sloth.model.event import Event
from sloth.model.node import Machine
from sloth.model.plan import MachineRequest
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import AccessSpec, ClusterSpec, PoolSpec
from tests.clouds.fakes.hcloud import SERVER, Fake
from tests.clouds.plugins import CLOUDS
from tests.clouds.specs import KEY

TOKEN, PASSPHRASE, USER_DATA = "hcloud-token-k2Jx81q", "engine-passphrase-4Zt7", "#cloud-config\n# boot-key-Yq0v3\n"


@dataclass(kw_only=True)
class World:
    """The files of one user, and the fake project that their token opens."""

    folder: Path
    tool: tuple[str, str]
    fake: Fake = field(default_factory=Fake)
    passphrase: str = PASSPHRASE
    control: int = 1
    work: int = 2
    options: dict[str, Any] = field(default_factory=dict)  # of pool `work`
    labels: dict[str, str] = field(default_factory=dict)
    balancer: bool = False
    network: str = "10.110.0.0/16"
    stop: Stop = field(default_factory=Stop)
    events: list[Event] = field(default_factory=list)
    engine: Engine | None = None  # of the last run
    grown: World | None = None  # another's files and project, to begin with
    busy: int = 0  # creates that the fake is at, also those whose caller was killed
    record: Record = field(default_factory=lambda: Record(cluster="shop", ssh_public_key=KEY))

    def machines(self) -> CloudMachines:
        """A run of its own: nothing is known but what lies in files, the record and the fake."""
        self.fake.stopped.clear()
        self.stop = Stop()
        self.events.clear()
        self.engine = Engine(
            cloud="hcloud",
            project="sloth-shop",
            command=Command(*self.tool, {}),
            home=self.folder / "home",
            work=self.folder / "work",
            backend=f"file://{self.state}",
            passphrase=Secret(self.passphrase),
            environment={"HCLOUD_TOKEN": Secret(TOKEN)},
            faults=CLOUDS["hcloud"].faults,
            emit=self.events.append,
        )
        return CloudMachines(
            cloud=CLOUDS["hcloud"],
            spec=self.spec,
            engine=self.engine,
            stop=self.stop,
            record=lambda: self.record,
            access=lambda: AccessSpec(ssh=("198.51.100.7/32",), api=("0.0.0.0/0",)),
            user_data=lambda request: Secret(f"{USER_DATA}# {request.name}\n"),
        )

    def __post_init__(self) -> None:
        self._create = self.fake.create
        self.fake.create = self._counted  # type: ignore[method-assign]
        self.on_create: Callable[[str, bool], None] = lambda name, made: None  # before and after each
        self._lock = threading.Lock()

    def begin(self) -> None:
        """As if `up` had run once."""
        assert self.grown is not None
        shutil.copytree(self.grown.folder, self.folder)
        self.fake.items = copy.deepcopy(self.grown.fake.items)
        self.fake._numbers = itertools.count(5_000_001)
        self.record = self.grown.record

    def _counted(self, token: str, name: str, inputs: dict[str, Any]) -> Any:
        with self._lock:
            self.busy += 1
        try:
            self.on_create(name, False)
            item = self._create(token, name, inputs)
            self.on_create(name, True)
            return item
        finally:
            with self._lock:
                self.busy -= 1

    def settled(self) -> None:
        """Wait until the fake has done all that it was asked, whoever still listens."""
        until(lambda: not self.busy)

    def pids(self) -> list[int]:
        """The command lines that run now."""
        assert self.engine is not None
        return [process.pid for process in list(self.engine.command._running)]

    def kill(self) -> None:
        """SIGKILL for every command line that runs."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)

    def files(self) -> dict[str, str]:
        """All that runs have left behind, by path."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes().decode(errors="replace") for path in found}

    def deployment(self) -> dict[str, Any]:
        """The first stack's state, as the file has it."""
        file = next((self.state / ".pulumi" / "stacks").rglob("hcloud.json"))
        found: dict[str, Any] = json.loads(file.read_text())["checkpoint"]["latest"]
        return found

    def locks(self) -> list[Path]:
        """The engine's locks."""
        return sorted((self.state / ".pulumi" / "locks").rglob("*.json"))

    @property
    def state(self) -> Path:
        """The engine's state."""
        (self.folder / "state").mkdir(parents=True, exist_ok=True)
        return self.folder / "state"

    @property
    def spec(self) -> ClusterSpec:
        """What the user's file says now."""
        from sloth.model.spec import KubernetesSpec

        pools = (
            PoolSpec(name="control", role="control-plane", provider="hcloud", count=self.control),
            PoolSpec(name="work", role="worker", provider="hcloud", count=self.work, options=self.options),
        )
        return ClusterSpec(
            name="shop",
            labels=self.labels,
            pools=pools,
            providers={"hcloud": {"size": "cx23", "location": "fsn1", "network": self.network}},
            kubernetes=KubernetesSpec(load_balancer="provider" if self.balancer else "none"),
        )

    @property
    def names(self) -> list[str]:
        """The nodes of the spec."""
        return [f"{pool.name}-{number}" for pool in self.spec.pools for number in range(1, pool.count + 1)]

    def requests(self, machines: CloudMachines, names: list[str] | None = None) -> list[MachineRequest]:
        """What the flow asks for, once placements are in the record."""
        names = self.names if names is None else names
        known = self.record.placements("hcloud")
        new = [name for name in names if name not in known]
        if new:
            self.record = self.record.with_placements("hcloud", machines.preflight(new, known))
        return [self._request(name) for name in names]

    def _request(self, name: str) -> MachineRequest:
        pool = self.spec.pool(name.rpartition("-")[0])
        return MachineRequest(
            name=name,
            cluster="shop",
            pool=pool.name,
            role=pool.role,
            ssh_public_key=KEY,
            options=pool.options,
            placement=self.record.placements("hcloud")[name],
        )

    def up(self, names: list[str] | None = None) -> list[Machine]:
        """Survey, place, apply: as the flow does."""
        machines = self.machines()
        machines.survey()
        return list(machines.apply(self.requests(machines, names)))

    def delete(self, *names: str) -> None:
        """The end of some nodes."""
        self.machines().delete(names)
        self.record = self.record.without_placements(names)

    def down(self) -> list[str]:
        """Destroy; gives what is left."""
        machines = self.machines()
        machines.destroy()
        return list(machines.leftovers())

    def servers(self) -> list[str]:
        """Names of the servers that the fake has."""
        return sorted(item.name for item in self.fake.all(SERVER))

    def calls(self) -> list[tuple[str, str]]:
        """Changing calls since the last time, without refusals."""
        with self.fake.lock:
            made = [
                (call.method, call.name)
                for call in self.fake.calls
                if call.method in ("Create", "Update", "Delete") and not call.refused
            ]
            self.fake.calls.clear()
        return made


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait for something that comes for certain."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def failing(work: Callable[[], Any]) -> SlothError:
    """The failure of something that must fail."""
    try:
        work()
    except SlothError as error:
        return error
    raise AssertionError("it did not fail")


def aside(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Begin it in a thread; what it answers or raises comes into the list."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            answers.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, answers
