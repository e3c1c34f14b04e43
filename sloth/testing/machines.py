"""A provider in memory; with a directory, its machines outlive the process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sloth.contracts.provider import Machines
from sloth.model.node import Machine
from sloth.model.plan import MachineRequest


class FakeMachines(Machines):
    """Machines `NAME` with ids that count up, so that one that was made anew can be told from one that was kept."""

    def __init__(self, directory: Path | None = None, *, after: Callable[[str], None] = lambda _what: None) -> None:
        """`after` is called with a word after each machine that was made, started or deleted."""
        self._store = directory / "machines.json" if directory else None
        self._after = after
        self._made: dict[str, dict[str, Any]] = {}
        self._count = 0
        if self._store is not None and self._store.is_file():
            saved = json.loads(self._store.read_text(encoding="utf-8"))
            self._made, self._count = saved["machines"], saved["count"]

    def apply(self, wanted: Sequence[MachineRequest]) -> Sequence[Machine]:
        """Make what is missing, start what is stopped."""
        for request in wanted:
            known = self._made.get(request.name)
            if known is None:
                self._count += 1
                self._change(request.name, {"id": f"fake-{self._count}", "running": True, "host_key": request.boot_key_public})
                self._after(f"made {request.name}")
            elif not known["running"]:
                self._change(request.name, {**known, "running": True})
                self._after(f"started {request.name}")
        return [self._machine(request.name) for request in wanted]

    def delete(self, names: Sequence[str]) -> None:
        """Delete machines."""
        for name in names:
            if name in self._made:
                self._change(name, None)
                self._after(f"deleted {name}")

    def survey(self) -> Sequence[Machine]:
        """All machines."""
        return [self._machine(name) for name in self._made]

    def destroy(self) -> None:
        """Delete all."""
        self.delete(list(self._made))

    def leftovers(self) -> Sequence[str]:
        """All machines, in words."""
        return [f"machine {name}" for name in self._made]

    def stop(self, name: str) -> None:
        """Have a machine be off, as if somebody had switched it off."""
        self._change(name, {**self._made[name], "running": False})

    def _machine(self, name: str) -> Machine:
        known = self._made[name]
        number = int(known["id"].rpartition("-")[2])
        machine = Machine(name=name, id=known["id"], address=f"192.0.2.{number % 256}", host_key=known["host_key"])
        return replace(machine, running=known["running"])

    def _change(self, name: str, value: dict[str, Any] | None) -> None:
        if value is None:
            del self._made[name]
        else:
            self._made[name] = value
        if self._store is not None:
            fresh = self._store.with_suffix(".new")
            fresh.write_text(json.dumps({"machines": self._made, "count": self._count}), encoding="utf-8")
            fresh.replace(self._store)
