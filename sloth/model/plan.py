"""What a spec asks for, held against what the record knows: a pure function makes it (sloth.phases.plan)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from sloth.model.node import Lease

EMPTY: Mapping[str, Any] = MappingProxyType({})

Action = Literal["create", "start", "update", "replace", "delete", "keep", "import"]
SERVER = "server"  # the kind of a MachineChange that is about a node's machine


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
    placement: Mapping[str, Any] = field(default_factory=lambda: EMPTY)  # size, location, image, stack: decided once, recorded


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


@dataclass(frozen=True, kw_only=True)
class MachineChange:
    """What would happen to one thing at a provider: a server, a network, a firewall, a volume."""

    node: str  # whose it is; "" = the whole cluster's
    action: Action
    kind: str  # "server" is the machine itself; "network", "volume", …
    name: str  # at the provider
    provider: str
    cause: tuple[str, ...] = ()  # the properties that differ, for update and replace
    detail: str = ""  # size, location, image, price, as far as known

    @property
    def title(self) -> str:
        """As a step of the plan: `create machine`, `replace volume demo-work-1-data`."""
        return title_of(self.action, self.kind, self.name)


def title_of(action: str, kind: str, name: str) -> str:
    """The title of a MachineChange, also of one that became JSON."""
    return f"{action} machine" if kind == SERVER else f"{action} {kind} {name}".rstrip()


@dataclass(frozen=True, kw_only=True)
class SavedPlan:
    """A plan, and all that it was made from, as `sloth plan --out` saves it. Holds no secret."""

    cluster: str
    sloth: str  # version
    created: str  # UTC, ISO 8601
    spec: Mapping[str, str]  # path -> digest of its value
    revision: int  # of the record; 0 = there was none
    kubernetes: str  # version
    artifacts: str  # SHA-256 of sloth.lock; "" = there was none
    world: Mapping[str, Mapping[str, Mapping[str, Any]]]  # provider -> node -> id of its machine, and whether it runs
    plan: Mapping[str, Any]  # sloth.engine.plan_data
