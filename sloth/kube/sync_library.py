"""The sync front by way of httpx2: where a proxy is on the way."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from typing import Any

import httpx2

from sloth.errors import ConnectError
from sloth.kube.connection import Connection
from sloth.kube.direct.carrier import Upgraded
from sloth.kube.http import READ, answer_of, broken_by, built, settings
from sloth.kube.wire import Answer, Broken, Request
from sloth.model.secret import Secret

FAULTS = (httpx2.TransportError, httpx2.DecodingError, httpx2.InvalidURL)


class LibraryStream:
    """What `direct.carrier.Stream` is, of httpx2."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._stream: Any = response.extensions.get("network_stream")

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of the body. Raises OSError."""
        # Layers that only count and pass on are left out where nothing is to be decoded.
        stream, coded = self._response.stream, "content-encoding" in self._response.headers
        try:
            yield from stream if isinstance(stream, httpx2.SyncByteStream) and not coded else self._response.iter_bytes()
        except FAULTS as error:
            raise OSError(broken_by(error).why) from error

    def shut(self) -> None:
        """Wake the thread that waits for bytes: closing the socket would not."""
        from contextlib import suppress
        from socket import SHUT_RDWR

        found = self._stream.get_extra_info("socket") if self._stream else None
        if found is not None:
            with suppress(OSError):
                found.shutdown(SHUT_RDWR)

    def idle(self) -> bool:
        """Whether nothing lies in the socket that was not read yet."""
        return bool(self._stream) and not self._stream.get_extra_info("is_readable")

    def close(self) -> None:
        """Close the connection."""
        self._response.close()


class Library:
    """What `direct.carrier.Direct` is, of httpx2. Raises KubernetesError, CredentialsError: TLS cannot be set up."""

    def __init__(self, connection: Connection, certificate: tuple[bytes, Secret] | None) -> None:
        self._connection, self._certificate = connection, certificate
        self._client = httpx2.Client(**settings(connection, certificate))
        self._lock = threading.Lock()
        self._lasting: httpx2.Client | None = None

    def send(self, request: Request) -> Answer | Broken:
        """One request and its whole answer."""
        try:
            return answer_of(self._client.send(built(self._client, self._connection, request)))
        except FAULTS as error:
            return broken_by(error)

    def open(self, request: Request, read: float) -> LibraryStream | Answer | Broken:
        """Send a request whose answer is taken as it comes; an Answer if it is a refusal. `read`: seconds without a byte."""
        found = self._opened(self._client, request, read)
        return LibraryStream(found) if isinstance(found, httpx2.Response) else found

    def upgrade(self, request: Request) -> Upgraded | Answer | Broken:
        """Send a request after which the connection is no HTTP any more. Raises ConnectError: a proxy that speaks TLS itself."""
        with self._lock:  # kept for long: they must not use up the pool that requests wait for
            self._lasting = self._lasting or httpx2.Client(**settings(self._connection, self._certificate, lasting=True))
        response = self._opened(self._lasting, request, READ)
        if not isinstance(response, httpx2.Response):
            return response
        stream: Any = response.extensions["network_stream"]
        sock = stream.get_extra_info("socket")
        if stream.get_extra_info("ssl_object") is not None and not isinstance(sock, ssl.SSLSocket):
            response.close()
            raise ConnectError(
                "kube/stream-proxy",
                f"{request.what}: there is no way through a proxy that speaks TLS itself",
                hint="`proxy-url: http://…` in the kubeconfig, or the async client",
            )
        headers = {key.lower(): value for key, value in response.headers.items()}
        return Upgraded(sock, _early(stream), response.status_code, headers, response)

    def _opened(self, client: httpx2.Client, request: Request, read: float) -> httpx2.Response | Answer | Broken:
        try:
            response = client.send(built(client, self._connection, request, read), stream=True)
            if response.status_code < 400:
                return response
            response.read()
        except FAULTS as error:
            return broken_by(error)
        answer = answer_of(response)
        response.close()
        return answer

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
        if self._lasting:
            self._lasting.close()


def _early(stream: Any) -> bytes:
    """What came right behind the answer. Nothing there: the first real read tells whether that is the end."""
    import httpcore2

    try:
        return bytes(stream.read(1024 * 1024, 0.0))
    except (httpcore2.NetworkError, httpcore2.TimeoutException):
        return b""
