"""What was seen on a node in its one inspection round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`key=value` lines of the inspection, with typed readers for what every phase needs.

    Known keys: os, arch, kernel, cpus, memory (MiB), disk_free (MiB on /var), clock (Unix seconds), hostname,
    wireguard (`kernel`, `userspace` or `none`), mesh.public_key, mesh.address, `stamp.NAME` (`DIGEST ok` or
    `DIGEST drift`), `unit.NAME` (`active`, `inactive`, …), `ip.N`, and what the distribution's own probe adds.
    """

    values: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    asked_at: float = 0.0  # Unix seconds on this machine, halfway through the round trip
    predicted: bool = False

    def get(self, key: str, default: str = "") -> str:
        """The value of a key, or `default`."""
        return self.values.get(key, default)

    def stamped(self, name: str, digest: str) -> bool:
        """Whether stage `name` was completed with exactly this digest and its files are untouched."""
        return self.values.get(f"stamp.{name}") == f"{digest} ok"

    def active(self, unit: str) -> bool:
        """Whether a systemd unit is active."""
        return self.values.get(f"unit.{unit}") == "active"

    @property
    def clock_offset(self) -> float:
        """Seconds by which the node's clock is ahead of this machine's; infinite if it did not tell a time."""
        try:
            return float(self.values.get("clock", self.asked_at)) - self.asked_at
        except ValueError:
            return float("inf")
