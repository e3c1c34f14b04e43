"""Removing and replacing a node by name for the kill harness of the engine: one control-plane node and two workers, on disk."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from sloth.cli.nodes_change import remove_nodes, replace_nodes
from sloth.cli.up import bring_up
from tests.unit.app.world import World, lost

GOES = "work-1"


class NodeFlow:
    """What the harness asks for (`tests.unit.engine.kill_harness.Flow`). The cluster is brought up before, uncounted."""

    def __init__(self, directory: Path, tick) -> None:
        counting = False
        self.world = World(directory, lambda what: tick(what) if counting else None)
        self.world.install(pytest.MonkeyPatch())
        self.first = directory / "machines-before"
        if not self.first.exists():
            self._quietly(lambda: bring_up(self.world.options, yes=True))
            self.first.write_text(self.machines()[GOES])
        counting = True
        self.changed: list[str] = []

    def machines(self) -> dict[str, str]:
        return {machine.name: machine.id for machine in self.world.machines.survey()}

    def leases(self) -> set[str]:
        return {lease.name for lease in self.world.state.load().leases}

    def run(self) -> None:
        """The verb, until it is done; `sloth up` afterwards."""
        data = self._quietly(lambda: bring_up(self.world.options, yes=True) if self.done() else self.verb()).data
        busy = [name for name, trips in data["round_trips"].items() if trips > 2]
        self.changed = [*data["changed"], *busy]

    def changes(self) -> int:
        return len(self.changed)

    def snapshot(self) -> dict[str, object]:
        return self.world.snapshot()

    def problems(self, then: dict[str, object]) -> list[str]:
        others = {what: self._without(value) for what, value in then.items()}
        found = lost(others, {what: self._without(value) for what, value in self.snapshot().items()})
        evicted = self.world.host("cp-1").facts["evicted"]
        found += [f"evicted {name}" for name in evicted if name != GOES]
        record = self.world.state.load()
        found += [f"{name} is still leaving" for name, known in record.nodes.items() if known.leaving]
        return [*found, *self.wrong()]

    @staticmethod
    def _without(value):
        return {name: each for name, each in value.items() if name != GOES} if isinstance(value, dict) else value

    @staticmethod
    def _quietly(work):
        with contextlib.redirect_stderr(io.StringIO()):
            return work()


class Removal(NodeFlow):
    """`sloth nodes remove work-1`."""

    def done(self) -> bool:
        return GOES not in self.leases()

    def verb(self):
        return remove_nodes(self.world.options, [GOES], yes=True)

    def wrong(self) -> list[str]:
        found = [] if self.leases() == set(self.machines()) == {"cp-1", "work-2"} else [f"there are {sorted(self.machines())}"]
        return found + ([] if "provider: local, count: 1}\n    - {name: work, role: worker, provider: local, count: 1}" in
                        self.world.spec.read_text() else ["the spec says something else"])  # fmt: skip


class Replacement(NodeFlow):
    """`sloth nodes replace work-1`."""

    def done(self) -> bool:
        record = self.world.state.load()
        return self.machines().get(GOES, self.first.read_text()) != self.first.read_text() and record.node(GOES).joined

    def verb(self):
        return replace_nodes(self.world.options, [GOES], yes=True)

    def wrong(self) -> list[str]:
        found = [] if self.leases() == set(self.machines()) == {"cp-1", "work-1", "work-2"} else [f"there are {self.leases()}"]
        return found + ([f"{GOES} is the old machine"] if self.machines().get(GOES) == self.first.read_text() else [])
