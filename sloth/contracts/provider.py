"""What a provider plugin is: it gives machines. See docs/guide/write-a-provider.md."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from sloth.errors import SlothError
from sloth.model.artifact import Delivery
from sloth.model.event import Event
from sloth.model.names import NamePlan
from sloth.model.node import Machine
from sloth.model.plan import MachineChange, MachineRequest
from sloth.model.spec import ClusterSpec

Emit = Callable[[Event], None]


class Machines(ABC):
    """One cluster's machines at one provider. Every method may raise MachinesError or CredentialsError."""

    @abstractmethod
    def apply(self, wanted: Sequence[MachineRequest]) -> Sequence[Machine]:
        """Have these machines exist and run (create missing, start stopped); answer in the order asked. Deletes nothing."""

    @abstractmethod
    def delete(self, names: Sequence[str]) -> None:
        """Delete these nodes' machines with all that belongs to them alone. Missing ones are no error."""

    @abstractmethod
    def survey(self) -> Sequence[Machine]:
        """Every machine that carries the cluster's tag, running or not, whatever any record says."""

    @abstractmethod
    def destroy(self) -> None:
        """Delete everything that carries the cluster's tag: machines, networks, volumes, balancers."""

    @abstractmethod
    def leftovers(self) -> Sequence[str]:
        """What still carries the cluster's tag, in words (`container sloth-demo-work-1`). Empty after `destroy`."""


@runtime_checkable
class Balancer(Protocol):
    """Optional: the provider can put one stable API address in front of the control plane."""

    def balance(self, targets: Sequence[str]) -> str:
        """Have a balancer over these nodes' port 6443; returns `host:port` as seen from this machine."""


@runtime_checkable
class Balanced(Protocol):
    """Optional beside Balancer: it knows where the balancer is without making one."""

    def balanced(self) -> str:
        """`host:port`, "" where there is none or `preview` has not seen it."""


@runtime_checkable
class Ends(Protocol):
    """Optional for Machines: something of it may still be at work when a run is broken off."""

    def end(self) -> None:
        """Have it end; returns when it has."""


@runtime_checkable
class Prepares(Protocol):
    """Optional for Machines: it chooses where new nodes go, and finds what cannot be, before anything is made."""

    def preflight(self, new: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        """Placements (`size`, `location`, `image`, …: JSON values) of the nodes `new`; `known` = those of nodes that stay.

        Only reads. Raises ConfigError that carries every problem found, or CredentialsError.
        """


class Provider(ABC):
    """The plugin: with `machines()` of its own (MakesMachines), or a `sloth.contracts.cloud.Cloud`.

    Made without arguments; keeps no state; imports heavy libraries inside methods only.
    """

    name: ClassVar[str]

    @abstractmethod
    def options_schema(self) -> Mapping[str, Any]:
        """JSON Schema of `spec.providers.NAME` (key `provider`) and of the pool's own fields (key `pool`)."""

    @abstractmethod
    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Problems of the spec that only this provider can see. Offline and quick."""

    def networks(self, spec: ClusterSpec) -> Mapping[str, str]:
        """CIDRs that this provider will use, by the spec path they come from, for the overlap check."""
        return {}


@runtime_checkable
class MakesMachines(Protocol):
    """A provider that makes its machines itself. The others are clouds, whose machines the engine makes (contracts.cloud)."""

    def machines(self, spec: ClusterSpec, emit: Emit, delivery: Delivery) -> Machines:
        """The cluster's machines here. `delivery` lists what nodes need, for providers that bake or pre-load it."""


@runtime_checkable
class LoginOptions(Protocol):
    """Optional: how to log in where the cluster's own key is not used (existing hosts)."""

    def login(self, spec: ClusterSpec, machine: Machine) -> Mapping[str, Any]:
        """Fields of `Login` to replace (user, port, key, key_file, bastion, sudo, host_keys)."""


@runtime_checkable
class Publishes(Protocol):
    """Optional for Machines: the provider's DNS service can hold the API's name."""

    def publish(self, wanted: NamePlan | None, before: NamePlan | None) -> bool:
        """Have the name point where `wanted` says; None = delete what `before` says. Answers whether anything changed.

        `before` = what the record knows of it. Raises MachinesError, ConfigError or CredentialsError.
        """


@runtime_checkable
class Previews(Protocol):
    """Optional for Machines: it can tell exactly what `apply` and `delete` would do, without doing any of it."""

    def preview(self, wanted: Sequence[MachineRequest], leaving: Sequence[str]) -> Sequence[MachineChange]:
        """What would happen to the machines, networks and the rest, were `wanted` applied and the nodes `leaving` deleted.

        One entry per thing; what stays as it is may be left out or told as `keep`. Raises MachinesError or CredentialsError.
        """
