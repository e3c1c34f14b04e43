"""What a spec asks for, held against what the record knows: a pure function makes it (sloth.phases.plan)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sloth.model.node import Lease

EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class MachineRequest:
    """A machine that a provider shall have, by the node's name."""

    name: str
    cluster: str
    pool: str
    role: str
    ssh_public_key: str = ""
    boot_key_private: Any = None  # Secret: one-time host key for user-data
    boot_key_public: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: EMPTY)  # the pool's provider-specific fields
    host: Any = None  # HostSpec of an existing host, or None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Desired leases, and how they differ from the recorded ones."""

    leases: tuple[Lease, ...]  # all desired nodes, in spec order
    add: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    remove: tuple[Lease, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether any node comes or goes."""
        return bool(self.add or self.remove)
