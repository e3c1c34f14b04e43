"""The sync front's own connections to one server: requests on kept ones, streams and upgrades on connections of their own."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from weakref import WeakSet

from sloth import __version__
from sloth.kube.connection import Connection
from sloth.kube.direct.link import SIZE, Link, shut
from sloth.kube.direct.message import NotHttpError, Reader, request_bytes
from sloth.kube.route import no_tls
from sloth.kube.tls import context
from sloth.kube.wire import Answer, Broken, Request
from sloth.model.secret import Secret

CONNECT = 10.0  # seconds
READ = 60.0  # seconds without a byte
CONNECTIONS = 64
_HERE = ("localhost", "127.0.0.1", "::1")
FAULTS = (OSError, NotHttpError)


class UnsentError(Exception):
    """The server cannot have seen the request; the cause says why."""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A connection that is no HTTP any more: its socket, and what came right behind the answer. Headers are in lower case."""

    sock: socket.socket
    early: bytes
    status: int
    headers: Mapping[str, str]
    kept: object = field(default=None, repr=False)
    """What must not be collected while the socket is in use."""

    def close(self) -> None:
        """Close it."""
        with suppress(OSError):
            self.sock.close()


class Stream:
    """An answer whose body is taken as it comes. `line` ends it from another thread."""

    def __init__(self, link: Link, reader: Reader, first: bytes) -> None:
        self.link, self._reader, self._first = link, reader, first

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of the body. Raises what FAULTS are."""
        if self._first:
            yield self._first
        while not self._reader.over:
            piece = self._reader.feed(self.link.receive())
            if piece:
                yield piece

    def shut(self) -> None:
        """Wake the thread that waits for bytes."""
        self.link.shut()

    def idle(self) -> bool:
        """Whether nothing lies in the socket that was not read yet."""
        return self.link.quiet()

    def close(self) -> None:
        """Close the connection."""
        self.link.close()


class Direct:
    """Connections to the server of `connection`, with one client certificate. Thread-safe.

    Raises KubernetesError, CredentialsError: TLS cannot be set up.
    """

    def __init__(self, connection: Connection, certificate: tuple[bytes, Secret] | None) -> None:
        url = urlsplit(connection.server)
        self._route = connection.route
        self._host, self._prefix = url.hostname or "", url.path
        self._port = url.port or (443 if url.scheme == "https" else 80)
        named = connection.tls_server_name or (connection.route.server_name if connection.route else "")
        self._name = named or self._host
        self._address = _plain(self._host)
        self._tls = context(connection, certificate) if url.scheme == "https" else None
        self._common = [
            ("Host", url.netloc.rpartition("@")[2]),
            ("User-Agent", f"sloth/{__version__}"),
            # To a server on this very machine, packing costs both sides time and saves nobody's network.
            *([] if self._host in _HERE and not connection.route else [("Accept-Encoding", "gzip")]),
            *(connection.acting_as.headers() if connection.acting_as else ()),
        ]
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        self._kept: list[Link] = []
        self._lasting: WeakSet[socket.socket] = WeakSet()  # of streams and upgrades
        self._closed = False

    def send(self, request: Request) -> Answer | Broken:
        """One request and its whole answer."""
        if not self._room.acquire(timeout=READ):
            return Broken(f"all {CONNECTIONS} connections have been busy for {READ:g} s", sent=False)
        try:
            return self._answer(request)
        except UnsentError as error:
            return _broken(error.__cause__, sent=False)
        except FAULTS as error:
            return _broken(error, sent=True)
        finally:
            self._room.release()

    def open(self, request: Request, read: float) -> Stream | Answer | Broken:
        """Send a request whose answer is taken as it comes; an Answer if it is a refusal. `read`: seconds without a byte."""
        try:
            link = self._linked()
            link.patience(read)
            found = _begun(link, self._bytes(request), Reader(request.method))
            self._remember(link.sock)
            return found
        except UnsentError as error:
            return _broken(error.__cause__, sent=False)
        except FAULTS as error:
            return _broken(error, sent=True)

    def upgrade(self, request: Request) -> Upgraded | Answer | Broken:
        """Send a request after which the connection is no HTTP any more; an Answer if it is a refusal."""
        sent = False
        try:
            sock = self._dialled()
            try:
                if self._tls:
                    sock = self._tls.wrap_socket(sock, server_hostname=_plain(self._name))
                sock.settimeout(READ)
                data, sent = self._bytes(request), True
                sock.sendall(data)
                found = _upgraded(sock, Reader(request.method))
                self._remember(sock)
                return found
            except BaseException:
                sock.close()
                raise
        except UnsentError as error:
            return _broken(error.__cause__, sent=False)
        except FAULTS as error:
            if not sent:
                no_tls(self._route, error)
            return _broken(error, sent=sent)

    def _answer(self, request: Request) -> Answer:
        data = self._bytes(request)
        link, reader = self._taken(), Reader(request.method)
        done = False
        try:
            link.patience(READ)
            link.send(data)
            parts = []
            while not reader.over:
                parts.append(reader.feed(link.receive()))
            done = reader.reusable and not reader.rest
        finally:
            self._give(link, again=done)
        return Answer(reader.status, parts[0] if len(parts) == 1 else b"".join(parts), reader.headers)

    def _bytes(self, request: Request) -> bytes:
        """Raises UnsentError."""
        try:
            return request_bytes(
                request.method, self._prefix + request.target, (*self._common, *request.headers.items()), request.body
            )
        except ValueError as error:
            raise UnsentError from error

    def _taken(self) -> Link:
        """A kept connection that is still open, or a new one. Raises UnsentError."""
        while True:
            with self._lock:
                link = self._kept.pop() if self._kept else None
            if link is None:
                break
            if link.quiet():
                return link
            link.close()
        return self._linked()

    def _linked(self) -> Link:
        """A new connection. Raises UnsentError."""
        sock = self._dialled()
        try:
            return Link(sock, self._tls, _plain(self._name))
        except OSError as error:
            sock.close()
            no_tls(self._route, error)
            raise UnsentError from error

    def _dialled(self) -> socket.socket:
        """A socket to the server. Raises UnsentError, and SlothError of a route."""
        try:
            if self._route:
                sock = self._route.dial(CONNECT)
            else:
                sock = socket.create_connection((self._address, self._port), CONNECT)  # type: ignore[arg-type]  # bytes too
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, UnicodeError) as error:  # a host name that is none
            raise UnsentError from error
        sock.settimeout(CONNECT)
        return sock

    def _give(self, link: Link, *, again: bool) -> None:
        with self._lock:
            if again and not self._closed:
                self._kept.append(link)
                return
        link.close()

    def _remember(self, sock: socket.socket) -> None:
        with self._lock:
            self._lasting.add(sock)
            closed = self._closed
        if closed:
            shut(sock)

    def close(self) -> None:
        """Close what waits to be used again, and end streams; a request that is under way still gets its answer."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, []
            lasting = list(self._lasting)
        for link in kept:
            link.close()
        for sock in lasting:
            shut(sock)


def _begun(link: Link, data: bytes, reader: Reader) -> Stream | Answer:
    """The stream, once its head is there."""
    try:
        link.send(data)
        first = b""
        while not reader.status:
            first = reader.feed(link.receive())
        stream = Stream(link, reader, first)
        if reader.status < 400:
            return stream
        body = b"".join(stream)
    except BaseException:
        link.close()
        raise
    link.close()
    return Answer(reader.status, body, reader.headers)


def _upgraded(sock: socket.socket, reader: Reader) -> Upgraded | Answer:
    body = b""
    while not reader.status or (reader.status >= 400 and not reader.over):
        body += reader.feed(sock.recv(SIZE))
    if reader.status >= 400:
        sock.close()
        return Answer(reader.status, body, reader.headers)
    return Upgraded(sock, reader.rest or body, reader.status, reader.headers)


def _plain(name: str) -> str | bytes:
    """A host name as bytes, if it is ASCII: as text it would be looked at by IDNA first, which has to be imported for it."""
    return name.encode() if name.isascii() else name


def _broken(error: BaseException | None, *, sent: bool) -> Broken:
    text = str(error) or type(error).__name__
    refused = isinstance(error, ssl.SSLCertVerificationError)
    return Broken(text, sent=sent and not refused, certificate=refused)


def by_proxy(connection: Connection, env: Mapping[str, str] = os.environ) -> bool:
    """Whether a proxy may be on the way: the kubeconfig names one, or the environment does and does not except this host."""
    if connection.route:
        return False
    if connection.proxy:
        return True
    url = urlsplit(connection.server)
    if not any(env.get(name) or env.get(name.upper()) for name in (f"{url.scheme}_proxy", "all_proxy")):
        return False
    host = url.hostname or ""
    excepted = [each.strip().lstrip(".") for each in (env.get("no_proxy") or env.get("NO_PROXY") or "").split(",")]
    return not any(each and (each in ("*", host) or host.endswith(f".{each}")) for each in excepted)
