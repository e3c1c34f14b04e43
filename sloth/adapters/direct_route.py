"""The way to the API that tries this machine's own network first, and takes another way where that leads nowhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sloth.errors import SlothError

if TYPE_CHECKING:
    from sloth.adapters.ssh_route import SshRoute

PATIENCE = 3.0  # seconds for a connection; a firewall that drops packets costs them once


class DirectFirst:
    """Connections to `host` and `port` themselves, until the first one cannot be made: from then on through `detour`.

    `tell` hears once, in words, that it was so.
    """

    def __init__(self, host: str, port: int, detour: SshRoute, tell: Callable[[str], None]) -> None:
        self._host, self._port, self._detour, self._tell = host, port, detour, tell
        self._lock = threading.Lock()
        self._why = ""  # why not directly

    @property
    def server_name(self) -> str:
        """The same on both ways: it is the same API server."""
        return self._detour.server_name

    def dial(self, seconds: float) -> socket.socket:
        """A connection. Raises what the detour raises, with the reason why it was taken."""
        if not self._why:
            try:
                return self._direct(min(seconds, PATIENCE))
            except OSError as error:
                self._give_up(str(error.strerror or error))
        try:
            return self._detour.dial(seconds)
        except SlothError as error:
            if self._why not in error.detail:
                error.detail = f"{error.detail}\n{self._why}".lstrip()
            raise

    def failed(self, why: str) -> None:
        """A port that is open, with nobody behind it, such as a balancer's: that is no direct way either."""
        if self._why:
            self._detour.failed(why)
        else:
            self._give_up(why)

    def close(self) -> None:
        """End what the detour has."""
        self._detour.close()

    def _direct(self, seconds: float) -> socket.socket:
        sock = socket.create_connection((self._host, self._port), timeout=seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
        return sock

    def _give_up(self, why: str) -> None:
        with self._lock:
            if self._why:
                return
            self._why = f"{self._host} port {self._port} cannot be reached from here ({why})"
        self._tell(f"{self._why}: going through SSH; --via-ssh does so at once")
