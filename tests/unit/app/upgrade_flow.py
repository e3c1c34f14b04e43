"""The whole of `sloth upgrade apply` for the kill harness of the engine: three control-plane nodes and three workers, on disk."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import pytest

from sloth.cli.up import bring_up
from sloth.cli.upgrade import bring
from tests.unit.app.toy_upgrade import CONTROL, NEW, NODE, UpgradeWorld
from tests.unit.app.world import lost


class UpgradeFlow:
    """What the harness asks for (`tests.unit.engine.kill_harness.Flow`)."""

    def __init__(self, world: UpgradeWorld) -> None:
        self.world = world
        self.changed: list[str] = []

    def run(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            done = bring(self.world.options, to="1.36", resume=False, canary=None, batch="", yes=True)
        self.changed = done.data.get("changed", [])

    def changes(self) -> int:
        return len(self.changed)

    def snapshot(self) -> dict[str, object]:
        return self.world.snapshot()

    def problems(self, then: dict[str, object]) -> list[str]:
        found = lost(then, self.snapshot())
        record = self.world.state.load()
        if record.kubernetes_version != NEW or record.upgrade:
            found.append(f"the record says {record.kubernetes_version}, under way: {dict(record.upgrade)}")
        for name, host in self.world.living().items():
            if host.text(NODE) != NEW or (name.startswith("cp-") and host.text(CONTROL) != NEW):
                found.append(f"{name} does not run {NEW}")
            if host.facts.get("cordoned") or host.facts.get("by"):
                found.append(f"{name} is still cordoned")
            if not 1 <= host.facts.get("drains", 0) <= 2:
                found.append(f"{name} was drained {host.facts.get('drains', 0)} times")
            times = [title for title, _ in host.ran].count("upgrade")
            if times > 2 or (name.startswith("cp-") and times != 1):
                found.append(f"{name} was upgraded {times} times")
        return found


def world_at_old(directory: Path, patch: pytest.MonkeyPatch, tick=lambda _what: None, *, control=3, workers=3) -> UpgradeWorld:
    """A cluster that runs the old version; made by a real `up` where there is none yet. Installed by `patch`."""
    silent = not (directory / "sloth.yaml").exists()
    world = UpgradeWorld(directory, (lambda _what: None) if silent else tick, control=control, workers=workers)
    world.install(patch)
    if silent:
        with contextlib.redirect_stderr(io.StringIO()):
            bring_up(world.options, yes=True)
        world._tick = tick
    return world


def maker(template: Path):
    """A `Make` of the harness whose worlds begin as copies of the cluster in `template`: one `up` for all of them."""

    def make(directory: Path, tick) -> UpgradeFlow:
        if not (directory / "sloth.yaml").exists():
            shutil.copytree(template, directory, dirs_exist_ok=True)
        return UpgradeFlow(world_at_old(directory, pytest.MonkeyPatch(), tick))

    return make
