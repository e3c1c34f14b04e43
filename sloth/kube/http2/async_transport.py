"""The async front's connections where HTTP/2 is asked for, as a transport of httpx2: one for all requests and watches.

HTTP/1.1 if the server has nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from sloth.kube.connection import Connection
from sloth.kube.http2.async_side import AsyncLink, hung_up
from sloth.kube.http2.machine import Gone, Stream
from sloth.kube.http2.messages import ALPN, TRIES, head, offered
from sloth.kube.route import Route, dialled, no_tls

CONNECT = 10.0  # seconds, where the caller says none


def transport(connection: Connection, settings: dict[str, Any]) -> dict[str, Any]:
    """The one argument for httpx2.AsyncClient that makes it HTTP/2, or none where that cannot be.

    `settings` are the other arguments, for the connections of HTTP/1.1 that are made where the server wants that.
    """
    if not offered(connection):
        return {}

    def older() -> httpx2.AsyncHTTPTransport:
        plain = {key: settings[key] for key in ("verify", "limits")}
        if connection.route:
            from sloth.kube.routed import async_transport

            return async_transport(connection.route, plain)
        return httpx2.AsyncHTTPTransport(**plain)

    return {"transport": AsyncTransport(settings["verify"], older, connection.route)}


class AsyncBody(httpx2.AsyncByteStream):
    """The answer's body as it comes."""

    def __init__(self, link: AsyncLink, stream: Stream, request: httpx2.Request) -> None:
        self._link, self._stream, self._request = link, stream, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Everything that has come, each time. Raises httpx2.TransportError."""
        limit = _seconds(self._request, "read")
        with _told(self._request):
            while data := await self._link.take(self._stream, limit):
                yield data

    async def aclose(self) -> None:
        """Whatever has not come is not wanted."""
        self._link.cancel(self._stream)


class AsyncTransport(httpx2.AsyncBaseTransport):
    """Connections to one server, for one event loop. `context` is what it has to prove; `make_older`: what speaks HTTP/1.1."""

    def __init__(
        self, context: ssl.SSLContext, make_older: Callable[[], httpx2.AsyncHTTPTransport], route: Route | None = None
    ) -> None:
        self._context, self._make_older, self._route = context, make_older, route
        self._dialling = asyncio.Lock()
        self._links: list[AsyncLink] = []
        self._older: httpx2.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, its body still to come. Raises httpx2.TransportError."""
        tries = 0
        while True:
            link = self._older or self._free() or await self._another(request)
            if not isinstance(link, AsyncLink):
                return await link.handle_async_request(request)
            body = await request.aread()
            try:
                stream = link.open(_head(request), body)
                if stream is None:
                    continue  # others took the last room on it
                return await self._answer(link, stream, request)
            except Gone as gone:
                tries += 1
                if not gone.unprocessed:
                    raise httpx2.RemoteProtocolError(str(gone), request=request) from gone
                if tries == TRIES:
                    raise httpx2.ConnectError(str(gone), request=request) from gone  # that is: nothing was done

    async def _answer(self, link: AsyncLink, stream: Stream, request: httpx2.Request) -> httpx2.Response:
        try:
            await link.answered(stream, _seconds(request, "read"))
        except TimeoutError as error:
            raise httpx2.ReadTimeout(str(error), request=request) from error
        except BaseException:
            link.cancel(stream)  # the task was cancelled: nobody will read it
            raise
        body = AsyncBody(link, stream, request)
        return httpx2.Response(stream.status, headers=stream.headers, stream=body, extensions={"http_version": b"HTTP/2"})

    def _free(self) -> AsyncLink | None:
        self._links = [link for link in self._links if not link.done]
        return next((link for link in self._links if link.free), None)

    async def _another(self, request: httpx2.Request) -> AsyncLink | httpx2.AsyncHTTPTransport:
        async with self._dialling:  # one task connects, the others of that moment use what it makes
            found = self._older or self._free()
            if found:
                return found
            made = await self._dial(request)
            if made:
                self._links.append(made)
                return made
            self._older = self._make_older()
            return self._older

    async def _dial(self, request: httpx2.Request) -> AsyncLink | None:
        """A new connection, or None where the server wants HTTP/1.1. Raises httpx2.ConnectError, httpx2.ConnectTimeout."""
        self._context.set_alpn_protocols(ALPN)
        try:
            async with asyncio.timeout(_seconds(request, "connect")):
                reader, writer = await self._connected(request)
        except OSError as error:
            kind = httpx2.ConnectTimeout if isinstance(error, TimeoutError) else httpx2.ConnectError
            raise kind(str(error), request=request) from error
        chosen = writer.get_extra_info("ssl_object")
        if chosen and chosen.selected_alpn_protocol() == "h2":
            return AsyncLink(reader, writer)
        await hung_up(writer)
        return None

    async def _connected(self, request: httpx2.Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = str(request.extensions.get("sni_hostname") or request.url.host)
        if self._route:
            sock = await dialled(self._route, _seconds(request, "connect") or CONNECT)
            try:
                return await asyncio.open_connection(sock=sock, ssl=self._context, server_hostname=name)
            except OSError as error:
                no_tls(self._route, error)
                raise
        return await asyncio.open_connection(request.url.host, request.url.port or 443, ssl=self._context, server_hostname=name)

    async def aclose(self) -> None:
        """Close every connection."""
        links, self._links = self._links, []
        for link in links:
            await link.close()
        if self._older:
            await self._older.aclose()


def _head(request: httpx2.Request) -> list[tuple[bytes, bytes]]:
    authority = request.headers.get("host", "").encode("ascii", "replace") or request.url.netloc
    return head(request.method, authority, request.url.raw_path, request.headers.raw)


def _seconds(request: httpx2.Request, kind: str) -> float | None:
    """The time limit of that kind (`connect`, `read`)."""
    limits: dict[str, float | None] = request.extensions.get("timeout") or {}
    return limits.get(kind)


@contextmanager
def _told(request: httpx2.Request) -> Iterator[None]:
    """The end of a body as an exception of httpx2."""
    try:
        yield
    except TimeoutError as error:
        raise httpx2.ReadTimeout(str(error), request=request) from error
    except Gone as gone:
        raise httpx2.RemoteProtocolError(str(gone), request=request) from gone
