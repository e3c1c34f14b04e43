"""What a phase may order, and what a phase is.

A phase is a generator: it yields orders and receives what came of them; it does nothing itself. The runner
(`sloth.engine.runner`) carries orders out with real adapters, or with rehearsing ones.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from sloth.model.cluster import Cluster
from sloth.model.names import NamePlan
from sloth.model.node import Login, Node
from sloth.model.plan import MachineRequest
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.step import Script


@dataclass(frozen=True, kw_only=True)
class Each:
    """Run one script per node, side by side. Answer: `{node: what its script returned}`.

    If scripts fail, the others still finish, then the failures are raised at the `yield`: one StepError or
    ConnectError as itself, several as ManyErrors. With `gather` the answer holds the exception in place of a value.
    """

    title: str
    scripts: Mapping[str, Script[Any]]
    width: int = 64  # how many nodes at once
    gather: bool = False


@dataclass(frozen=True, kw_only=True)
class Api:
    """Talk to the Kubernetes API as the cluster's administrator. Answer: what the talk returns.

    It goes through one of the `servers`, the first that lets us in; the next one is taken when that goes. `talk` is given a
    `sloth.kube.api.Api` and a function that takes notes for the user, and yields requests: it is pure, as a script is. With
    `changes` its answer says whether it changed something. It is about one node, in whose name it is shown and journalled. One
    that `awaits` what its own changes bring about is only named in a rehearsal: there it would wait for ever.
    """

    title: str
    node: str
    servers: tuple[Node, ...]  # control-plane nodes, logged in to as `Connect` said
    talk: Callable[[Any, Callable[[str], None]], Generator[Any, Any, Any]]
    changes: bool = True
    awaits: bool = False
    kubeconfig: Secret | None = None  # in place of the record's, where that has none


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Change the record and save it before going on. Answer: the saved Record."""

    change: Callable[[Record], Record]


@dataclass(frozen=True, kw_only=True)
class Connect:
    """Use these logins from now on (closing older connections to these nodes). Answer: None. Connections open on first use."""

    logins: tuple[Login, ...]


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """Have providers choose where new nodes go. Answer: `{provider: {node: placement}}` of those providers that choose.

    Providers are asked side by side, and nothing is made. In place of a provider's placements the answer may hold the
    exception it raised.
    """

    names: Mapping[str, tuple[str, ...]]  # provider -> new nodes
    known: Mapping[str, Mapping[str, Mapping[str, Any]]]  # provider -> node -> placement, of nodes that stay where they are


@dataclass(frozen=True, kw_only=True)
class MakeMachines:
    """Have these machines exist and run. Answer: tuple[Machine, ...] of them, in order of `wanted`."""

    provider: str
    wanted: tuple[MachineRequest, ...]


@dataclass(frozen=True, kw_only=True)
class DeleteMachines:
    """Delete machines by node name; missing ones are no error. Answer: None."""

    provider: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DestroyMachines:
    """Delete all that carries the cluster's tag. Answer: tuple[str, ...] of what is left, in words."""

    provider: str


@dataclass(frozen=True, kw_only=True)
class SurveyMachines:
    """List every machine that carries the cluster's tag. Answer: tuple[Machine, ...]."""

    provider: str


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Where the provider can: balance the API over these nodes. Answer: `host:port` or ""."""

    provider: str
    targets: tuple[str, ...]  # node names


@dataclass(frozen=True, kw_only=True)
class Publish:
    """Have the API's name in that provider's DNS point where `wanted` says; None = delete what `before` says. Answer: None."""

    provider: str
    wanted: NamePlan | None
    before: NamePlan | None = None  # what the record knows of it


@dataclass(frozen=True, kw_only=True)
class Together:
    """Carry out orders about machines side by side. Answer: the tuple of their answers, in order.

    All are finished before a failure is raised at the `yield`: one as itself, several as ManyErrors.
    """

    orders: tuple[MakeMachines | SurveyMachines | DestroyMachines, ...]


@dataclass(frozen=True, kw_only=True)
class Say:
    """A note or warning for the user. Answer: None."""

    text: str
    warning: bool = False


Order: TypeAlias = (
    Each
    | Api
    | Keep
    | Connect
    | Preflight
    | MakeMachines
    | DeleteMachines
    | DestroyMachines
    | SurveyMachines
    | Together
    | Balance
    | Publish
    | Say
)
PhaseRun: TypeAlias = Generator[Order, Any, Cluster]


class Phase(Protocol):
    """One part of a flow. `title` is a sentence a person reads."""

    @property
    def title(self) -> str:
        """Shown by every view and written into the journal."""

    def run(self, cluster: Cluster) -> PhaseRun:
        """Yield orders; return the cluster as it is known afterwards."""
