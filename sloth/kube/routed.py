"""httpx2 over a `Route`, for the async front: a transport whose connections come from the route, ordinary in all else.

httpx2 takes no network backend, httpcore2 below it does; so the pool of a finished transport is given another backend.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from typing import Any

import anyio.abc
import httpcore2
import httpx2
from httpcore2._backends.anyio import AnyIOStream

from sloth.kube.route import Route, dialled, no_tls

CONNECT = 10.0  # seconds, where the caller says none


class RouteStream(AnyIOStream):
    """Tells the route when there is nobody behind it."""

    def __init__(self, stream: anyio.abc.ByteStream, route: Route) -> None:
        super().__init__(stream)
        self._route = route

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:  # fmt: skip
        """Begin TLS. Raises httpcore2's errors."""
        try:
            return await super().start_tls(ssl_context, server_hostname, timeout)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            no_tls(self._route, error.__cause__)
            raise


class RouteBackend(httpcore2.AnyIOBackend):
    """Asks the route where others ask the system."""

    def __init__(self, route: Route) -> None:
        self._route = route

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:  # fmt: skip
        """A connection to the API server, whatever the host. Raises SlothError, and httpcore2's errors."""
        try:
            sock = await dialled(self._route, timeout or CONNECT)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        kind = anyio.abc.UNIXSocketStream if sock.family == socket.AF_UNIX else anyio.abc.SocketStream
        return RouteStream(await kind.from_socket(sock), self._route)


def async_transport(route: Route, settings: dict[str, Any]) -> httpx2.AsyncHTTPTransport:
    """A transport with these settings (those of httpx2.AsyncClient that are a transport's)."""
    made = httpx2.AsyncHTTPTransport(**{key: settings[key] for key in ("verify", "limits", "http2") if key in settings})
    made._pool._network_backend = RouteBackend(route)
    return made
