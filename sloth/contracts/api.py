"""How phases reach the Kubernetes API: through control-plane nodes, as the cluster's administrator."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from sloth.model.node import Login
from sloth.model.secret import Secret

API_PORT = 6443
T = TypeVar("T")
Talk: TypeAlias = Callable[[Any], Generator[Any, Any, T]]
"""Given a `sloth.kube.api.Api`, a generator of requests to it (`sloth.kube.wire.Call`). Pure, as a script is."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """A control-plane node, and where API servers are as seen from it, nearest first: address and port."""

    login: Login
    targets: tuple[tuple[str, int], ...]


def doors(nodes: Sequence[tuple[str, Login]]) -> list[Door]:
    """From each of these control-plane nodes (mesh address, login) to its own API server, and to the others' behind that."""
    targets = [(address, API_PORT) for address, _ in nodes]
    return [Door(login=login, targets=(*targets[at:], *targets[:at])) for at, (_, login) in enumerate(nodes)]


class ApiSession(Protocol):
    """One way to one cluster's API, kept."""

    def run(self, talk: Talk[T]) -> T:
        """Carry the talk through and give what it returns. Raises what it raises; ConnectError if no node leads to the API."""

    def close(self) -> None:
        """End the connection; no error if it is gone."""


class ApiTransport(Protocol):
    """Makes such sessions."""

    def open(self, kubeconfig: Secret, doors: Sequence[Door]) -> ApiSession:
        """Nothing is connected before something is asked."""
