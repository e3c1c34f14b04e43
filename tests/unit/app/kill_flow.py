"""The whole of `sloth up` for the kill harness of the engine: three control-plane nodes and a worker, on disk."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from sloth.cli.up import bring_up
from tests.unit.app.world import World, lost

NODES = {"cp-1", "cp-2", "cp-3", "work-1"}
ONCE = ("make host keys", "make the node's mesh key", "install runtime")


class UpFlow:
    """What the harness asks for (`tests.unit.engine.kill_harness.Flow`)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.changed: list[str] = []

    def run(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            data = bring_up(self.world.options, yes=False).data
        busy = [name for name, trips in data["round_trips"].items() if trips > 2]
        self.changed = [*data["changed"], *busy]

    def changes(self) -> int:
        return len(self.changed)

    def snapshot(self) -> dict[str, object]:
        return self.world.snapshot()

    def problems(self, then: dict[str, object]) -> list[str]:
        now = self.snapshot()
        found = lost(then, now)
        for what in ("leases", "machines", "mesh keys", "members"):
            if set(now[what]) != NODES:
                found.append(f"{what} are of {sorted(now[what])}")
        if set(now["machines"].values()) != {f"fake-{n}" for n in range(1, 5)}:
            found.append(f"a machine was made in vain: {now['machines']}")
        for name, host in self.world.living().items():
            times = Counter(title for title, _ in host.ran)
            join = "found the cluster" if name == "cp-1" else "join"
            found += [f"{name}: “{title}” was done {times[title]} times" for title in (*ONCE, join) if times[title] != 1]
            found += [f"{name}: evicted {host.facts['evicted']}"] if host.facts["evicted"] else []
        return [*found, *self._leavings()]

    def _leavings(self) -> list[str]:
        record = self.world.state.load()
        known = [record.node(name) for name in NODES]
        found = (
            [] if all(node.joined and node.host_keys and not node.boot_key for node in known) else ["the record is not complete"]
        )
        data = self.world.directory / "data"
        found += [
            f"{path.name} is left over" for path in data.rglob("*") if path.name.endswith(".new") and "record" not in path.name
        ]
        return found + (["the lock is left over"] if self.world.state.owner() else [])


def make(directory: Path, tick) -> UpFlow:
    """The flow on what is below `directory`."""
    world = World(directory, tick, control=3, workers=1)
    return UpFlow(world.install(pytest.MonkeyPatch()))


class Forgetful(UpFlow):
    """The same, where hosts lose their mesh key before each run."""

    def run(self) -> None:
        for host in self.world.living().values():
            for name in ("private", "public"):
                host.files.pop(f"/etc/wireguard/{name}.key", None)
        super().run()


def forgetful(directory: Path, tick) -> UpFlow:
    """What the harness has to notice."""
    return Forgetful(make(directory, tick).world)


def memory() -> str | None:
    """A folder in memory, where there is one: a thousand synced files take their time on a disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def load_everything() -> None:
    """One run in this process, so that forked ones need not import anything."""
    with tempfile.TemporaryDirectory(dir=memory()) as folder, pytest.MonkeyPatch.context() as patch:
        UpFlow(World(Path(folder), control=1, workers=0).install(patch)).run()
