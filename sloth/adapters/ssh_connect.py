"""Getting to a logged-in connection: dialling (also through a bastion), patience with machines that boot, clear last words."""

from __future__ import annotations

import logging
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sloth.adapters.ssh_auth import authenticate
from sloth.adapters.ssh_trust import Trust
from sloth.adapters.ssh_words import Trouble, explain
from sloth.errors import ConnectError
from sloth.model.node import Login

if TYPE_CHECKING:
    from sloth.adapters.ssh_wire import Wire

log = logging.getLogger(__name__)

_USER_TIMEOUT = 60_000  # milliseconds that sent data may stay unacknowledged before the kernel gives the connection up
_KEEPALIVE = 30  # seconds between signs of life on an idle connection, below the usual NAT timeouts


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to go on trying, in seconds."""

    total: float = 60.0  # for a machine that does not answer (yet)
    auth: float = 25.0  # for one that answers but does not let us in (yet)
    dial: float = 10.0  # one TCP connection
    banner: float = 15.0  # from the TCP connection to the first line of SSH


@dataclass
class _Shared:
    """One bastion connection, used by every session that goes through it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wire: Wire | None = None
    users: int = 0
    failed: tuple[float, ConnectError] | None = None  # when (monotonic), and why


class Connector:
    """Makes logged-in connections. Threads may share it."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._bastions: dict[Login, _Shared] = {}
        self._lock = threading.Lock()

    def connect(self, login: Login) -> Wire:
        """A verified, logged-in connection. Raises ConnectError when patience ends, or at once when waiting cannot help."""
        start = time.monotonic()
        tries = 0
        while True:
            try:
                return self._attempt(login)
            except ConnectError:
                raise
            except Exception as cause:
                trouble = explain(cause, login)
                pause = _pause(tries, trouble)
                tries += 1
                if time.monotonic() - start + pause > trouble.patience(
                    login.patience or self._patience.total, self._patience.auth
                ):
                    raise trouble.final(tries, time.monotonic() - start) from cause
                log.debug("%s: %s; trying again in %.1f s", login.node, cause, pause)
            time.sleep(pause)

    def release(self, login: Login) -> None:
        """A session through this login's bastion has ended; the last one ends the bastion's connection."""
        if login.bastion is None:
            return
        shared = self._shared(login.bastion)
        with shared.lock:
            shared.users -= 1
            if shared.users <= 0 and shared.wire is not None:
                shared.wire.end()
                shared.wire = None
                self.release(login.bastion)

    def _attempt(self, login: Login) -> Wire:
        wire = self._verified(login)
        try:
            authenticate(wire, login)
        except BaseException:
            self._drop(wire, login)
            raise
        wire.packetizer.set_keepalive(_KEEPALIVE, wire.probe)
        return wire

    def _verified(self, login: Login) -> Wire:
        """A connection whose host has shown an accepted key: nothing of ours has been sent before that."""
        import paramiko

        trust = Trust(login)
        shown: list[str] = []
        for key_types in trust.rounds():
            try:
                wire = self._handshake(login, key_types)
            except paramiko.ssh_exception.IncompatiblePeer as cause:
                if "host key" not in str(cause):
                    raise
                continue
            if trust.accepts(wire.host_key_line):
                return wire
            shown.append(wire.host_key_line)
            self._drop(wire, login)
        raise trust.mismatch(shown or self._look(login))

    def _look(self, login: Login) -> list[str]:
        """What the host shows when it may show anything: evidence for the error, never a reason to go on."""
        wire = self._handshake(login, ())
        shown = wire.host_key_line
        self._drop(wire, login)
        return [shown]

    def _handshake(self, login: Login, key_types: tuple[str, ...]) -> Wire:
        from sloth.adapters.ssh_wire import Wire

        sock = self._dial(login)
        wire = Wire(sock, key_types, self._patience.banner)
        try:
            wire.handshake()
        except BaseException:
            self._drop(wire, login)
            raise
        return wire

    def _drop(self, wire: Wire, login: Login) -> None:
        wire.end()
        self.release(login)

    def _dial(self, login: Login) -> Any:
        if login.bastion is not None:
            return self._through(login.bastion, login)
        sock = socket.create_connection((login.address, login.port), timeout=self._patience.dial)
        # Without it, small packets of ours wait for the peer's delayed acknowledgement: 40 ms for each exchange.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT)
        return sock

    def _through(self, bastion: Login, login: Login) -> Any:
        came = time.monotonic()
        shared = self._shared(bastion)
        with shared.lock:
            if shared.failed and shared.failed[0] > came:
                raise shared.failed[1]  # while we queued; waiting as long once more, host by host, helps nobody
            wire = self._bastion_wire(bastion, shared)
            shared.users += 1
        try:
            return wire.open_channel("direct-tcpip", (login.address, login.port), ("127.0.0.1", 0), timeout=self._patience.dial)
        except BaseException:
            self.release(login)
            raise

    def _bastion_wire(self, bastion: Login, shared: _Shared) -> Wire:
        if shared.wire is not None and shared.wire.is_active():
            return shared.wire
        if shared.wire is not None:
            self._drop(shared.wire, bastion)
            shared.wire = None
        try:
            shared.wire = self.connect(bastion)
        except ConnectError as cause:
            shared.failed = (time.monotonic(), cause)
            raise
        return shared.wire

    def _shared(self, bastion: Login) -> _Shared:
        with self._lock:
            return self._bastions.setdefault(bastion, _Shared())


def _pause(tries: int, trouble: Trouble) -> float:
    """Seconds until the next try.

    A booting machine is asked often at first, as every tenth of a second counts there. Refused log-ins are repeated slowly,
    as hosts ban those who knock too often (fail2ban: 5 in 10 minutes).
    """
    if trouble.kind == "auth":
        return float(min(8, 2**tries))
    return float(min(3.0, 0.1 * 1.5**tries))
