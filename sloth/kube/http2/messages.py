"""Heads of requests and answers, and what both fronts hold to."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from sloth.kube.connection import Connection
from sloth.kube.direct.carrier import by_proxy
from sloth.kube.http2.machine import Head

ALPN = ["h2", "http/1.1"]
TRIES = 3  # connections on which one request that no server began is tried before that is a failure
_HOP = {b"connection", b"host", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}  # RFC 9113, 8.2.2


def offered(connection: Connection) -> bool:
    """Whether this connection may be HTTP/2. Not without TLS, which is what chooses it, and not through a proxy."""
    return connection.server.startswith("https:") and not by_proxy(connection)


def head(method: str, authority: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """The pseudo-headers and the headers, without those that belong to a connection of HTTP/1.1."""
    pseudo = [(b":method", method.encode()), (b":scheme", b"https"), (b":authority", authority), (b":path", target)]
    named = [(name.lower(), value) for name, value in headers]
    return pseudo + [pair for pair in named if pair[0] not in _HOP]


def plain(headers: Head) -> dict[str, str]:
    """Headers of an answer by name; values of one name joined by commas."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


class Unpacked:
    """A body that may be gzip, unpacked as it comes. Raises OSError where it is not what its head says."""

    def __init__(self, coding: str) -> None:
        if coding not in ("", "identity", "gzip"):
            raise OSError(f"the answer is coded in a way that was not asked for: {coding[:40]}")
        self._unzip = zlib.decompressobj(31) if coding == "gzip" else None  # a gzip header and trailer: zlib.net, inflateInit2

    def feed(self, data: bytes) -> bytes:
        """What these bytes are."""
        try:
            return self._unzip.decompress(data) if self._unzip else data
        except zlib.error as error:
            raise OSError(f"the answer cannot be decompressed: {error}") from error

    def end(self) -> None:
        """There is no more."""
        if self._unzip and not self._unzip.eof:
            raise OSError("the answer cannot be decompressed: it ended too early")
