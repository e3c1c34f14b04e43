"""Another way to the API server than this machine's own network, such as through SSH."""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket


class Route(Protocol):
    """Gives connected sockets. Any thread may ask, several at once. TLS is spoken over them with the API server itself."""

    @property
    def server_name(self) -> str:
        """The name that the API server's certificate must have, where the connection itself names none."""

    def dial(self, seconds: float) -> socket.socket:
        """A blocking stream socket, of whatever family; the caller closes it. `seconds`: patience for one attempt.

        Raises SlothError (no way there: asking again at once is no use), OSError (failed: may be tried again).
        """

    def failed(self, why: str) -> None:
        """Told that TLS could not be begun on a socket it gave: something in between accepted it and led nowhere."""


def no_tls(route: Route | None, error: BaseException | None) -> None:
    """Tell the route why there is no TLS, unless somebody is there who is not who it should be."""
    if route and error and not isinstance(error, ssl.SSLCertVerificationError):
        route.failed(str(error) or type(error).__name__)


async def dialled(route: Route, seconds: float) -> socket.socket:
    """The socket, for an event loop: the route is asked in a thread. Raises what the route raises."""
    import asyncio

    dial = _Dial(route)
    try:
        return await asyncio.to_thread(dial.work, seconds)
    except asyncio.CancelledError:
        dial.give_up()
        raise


class _Dial:
    """The work of a thread that cannot be stopped: if nobody waits for its socket any more when it comes, it is closed."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._lock = threading.Lock()
        self._made: socket.socket | None = None
        self._wanted = True

    def work(self, seconds: float) -> socket.socket:
        made = self._route.dial(seconds)
        with self._lock:
            self._made = made
            if not self._wanted:
                made.close()
        return made

    def give_up(self) -> None:
        with self._lock:
            self._wanted = False
            if self._made is not None:
                self._made.close()
