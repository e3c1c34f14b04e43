"""The way to a cluster's API through SSH: one connection to a control-plane node, a channel on it for each connection to the API.

No port of this machine is listened on. TLS is between the client and the API server; the node only passes bytes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sloth.adapters.ssh_bridge import DEAF, Bridge
from sloth.adapters.ssh_connect import Connector, Patience
from sloth.contracts.api import Door
from sloth.errors import ConnectError
from sloth.model.node import Login

if TYPE_CHECKING:
    import socket

    import paramiko

    from sloth.adapters.ssh_wire import Wire

log = logging.getLogger(__name__)

# Every API server's certificate has it, whatever its addresses are (kubernetes.io, "PKI certificates and requirements").
SERVER_NAME = "kubernetes.default.svc"
QUICK = Patience(total=4.0, auth=2.0, dial=4.0)  # nothing is booting here, and there may be another control plane
_FORBIDDEN = 1  # RFC 4254, 5.1: administratively prohibited
_LINGER = 15.0  # seconds that the connection outlives its last channel


class SshRoute:
    """Made without a connection; opens one when it is first asked. Thread-safe.

    When a node does not answer, or its connection is lost, the next one is taken, and kept. `doors` is asked once, in the thread
    that needs it. `tell` hears in words that something was passed over.
    """

    server_name = SERVER_NAME

    def __init__(
        self, doors: Callable[[], Sequence[Door]], tell: Callable[[str], None] = log.info, patience: Patience = QUICK
    ) -> None:  # fmt: skip
        self._find, self._tell = doors, tell
        self._connector = Connector(patience)
        self._lock = threading.Lock()  # for the one connection
        self._count = threading.Lock()  # for the number of its channels
        self._doors: tuple[Door, ...] = ()
        self._before: Door | None = None  # the last one that was connected to
        self._lost = ""  # what happened to the connection before this one
        self._wire: Wire | None = None
        self._users: dict[Wire, int] = {}

    @property
    def node(self) -> str:
        """The node that is connected to; empty if none is."""
        return self._doors[0].login.node if self._wire is not None else ""

    def dial(self, seconds: float) -> socket.socket:
        """A connection to an API server. Raises ConnectError, ConnectionRefusedError, and what finding the nodes raises."""
        import paramiko

        lost: BaseException | None = None
        for _ in range(2):  # a connection that was lost unnoticed shows now
            wire, door = self._connected()
            try:
                return self._through(wire, door, seconds)
            except ConnectionRefusedError:
                raise
            except (paramiko.SSHException, EOFError, OSError) as cause:
                lost = cause
                self._forget(wire, door)
        raise ConnectError(
            "kube/route-lost",
            "the SSH connection to the control plane does not last",
            detail=str(lost) or type(lost).__name__,
            hint="sloth health",
        ) from lost

    def failed(self, why: str) -> None:
        """An API server that is just starting or stopping: the client tries again."""
        log.info("no TLS through %s: %s", self.node, why)

    def close(self) -> None:
        """End the connection, and with it everything that goes through it."""
        with self._lock:
            self._drop()

    def _through(self, wire: Wire, door: Door, seconds: float) -> socket.socket:
        import paramiko

        refused: list[str] = []
        for target in door.targets:
            try:
                channel = wire.open_channel("direct-tcpip", target, ("127.0.0.1", 0), timeout=seconds)
            except paramiko.ChannelException as cause:
                if cause.code == _FORBIDDEN:
                    raise _forbids(door.login, cause) from cause
                refused.append(f"{target[0]} port {target[1]}: {cause.text}")
            else:
                with self._count:
                    self._users[wire] = self._users.get(wire, 0) + 1
                return Bridge(wire, channel, lambda: self._over(wire)).near
        if len(self._doors) > 1:
            self._forget(wire, door)  # the mesh may be broken there
        # Not final: it may just be starting.
        raise ConnectionRefusedError(f"no API server answers, as {door.login.node} sees it ({', '.join(refused)})")

    def _connected(self) -> tuple[Wire, Door]:
        """The connection, made if there is none that lives. Raises ConnectError."""
        with self._lock:
            if self._wire is not None and (not self._wire.is_active() or self._wire.silence > DEAF):
                self._pass_over(f"{self._doors[0].login.node}: the SSH connection was lost")
            if not self._doors:
                self._doors = tuple(self._find())
            if self._wire is None:
                self._wire = self._first()
            return self._wire, self._doors[0]

    def _first(self) -> Wire:
        """Log in to the first node that lets us; those before it go to the end. Raises ConnectError."""
        failures: list[ConnectError] = []
        for door in self._doors:
            try:
                wire = self._connector.connect(door.login)
            except ConnectError as error:
                failures.append(error)
                continue
            reasons = [f"{error.summary} ({error.code})" for error in failures] or [self._lost]
            if door is not self._before:
                for why in filter(None, reasons):
                    self._tell(f"{why}: going through {door.login.node}")
            self._before, self._lost = door, ""
            self._doors = (*self._doors[len(failures) :], *self._doors[: len(failures)])
            return wire
        if len(failures) == 1:
            raise failures[0]
        raise ConnectError(
            "kube/no-route",
            "no control-plane node lets sloth in over SSH",
            detail="\n".join(f"{error.summary} ({error.code})" for error in failures),
            hint="sloth status",
        )

    def _forget(self, wire: Wire, door: Door) -> None:
        with self._lock:
            if self._wire is wire:
                self._pass_over(f"{door.login.node}: the SSH connection was lost")

    def _pass_over(self, why: str) -> None:
        """The next control plane is tried first; this one is tried again after the others. With the lock held."""
        self._lost = why
        self._drop()
        self._doors = (*self._doors[1:], *self._doors[:1])

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.end()
            self._connector.release(self._doors[0].login)

    def _over(self, wire: Wire) -> None:
        """A channel has ended; some time after the last one, the connection is ended as well."""
        with self._count:
            self._users[wire] -= 1
            idle = not self._users[wire]
        if idle:
            timer = threading.Timer(_LINGER, self._rest, (wire,))
            timer.daemon = True
            timer.start()

    def _rest(self, wire: Wire) -> None:
        with self._lock, self._count:
            if self._users.get(wire):
                return
            self._users.pop(wire, None)
            if self._wire is wire:
                self._drop()


def _forbids(login: Login, cause: paramiko.ChannelException) -> ConnectError:
    return ConnectError(
        "kube/route-forbidden",
        f"{login.node}: its SSH server does not forward connections",
        detail=cause.text,
        where=login.node,
        hint=f"set `AllowTcpForwarding yes` in /etc/ssh/sshd_config on {login.node} and reload sshd",
    )
