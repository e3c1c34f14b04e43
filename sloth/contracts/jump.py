"""How machines without a public address are reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from sloth.model.node import Machine

Key = TypeVar("Key")


def reached(machines: Mapping[Key, Machine]) -> dict[Key, Machine]:
    """The same machines; those without an address at their private one, through the first by name that has a public one."""
    public = sorted((machine for machine in machines.values() if machine.address), key=lambda machine: machine.name)
    jump = next(iter(public), None)
    return {
        key: machine if machine.address else replace(machine, address=machine.private_address, jump=jump)
        for key, machine in machines.items()
    }
