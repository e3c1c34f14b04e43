"""The Kubernetes API for phases: sloth's own client, over one SSH connection to a control-plane node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sloth.contracts.api import ApiSession, Door, Talk
from sloth.model.secret import Secret

if TYPE_CHECKING:
    from sloth.adapters.ssh_route import SshRoute
    from sloth.kube.client import Client

T = TypeVar("T")
ATTEMPTS = 10  # half a minute on average: an API server may be restarting, or its node be gone for a moment


class KubeSession:
    """One client, whose connections are channels of one SSH connection. Any thread may use it."""

    def __init__(self, client: Client, route: SshRoute) -> None:
        self._client, self._route = client, route

    def run(self, talk: Talk[T]) -> T:
        """Carry the talk through. Raises ApiError, ConnectError, and what the talk raises."""
        return self._client.run(talk(self._client.api))

    def close(self) -> None:
        """End both."""
        self._client.close()
        self._route.close()


class KubeTransport:
    """Makes such sessions."""

    def open(self, kubeconfig: Secret, doors: Sequence[Door]) -> ApiSession:
        """A session that connects when it is first used. Raises KubernetesError for a kubeconfig that is none."""
        from sloth.adapters.ssh_route import SshRoute
        from sloth.kube.client import Client
        from sloth.kube.kubeconfig import merge, read
        from sloth.kube.retry import Policy

        document = read(kubeconfig.reveal().encode(), "of the record")
        route = SshRoute(lambda: doors)
        connection = replace(merge([(document, Path.cwd())]).connection(), route=route)
        return KubeSession(Client(connection, policy=Policy(attempts=ATTEMPTS)), route)
