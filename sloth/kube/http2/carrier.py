"""The sync front's connections where HTTP/2 is asked for: one for all requests and watches, or HTTP/1.1."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from sloth.kube.connection import Connection
from sloth.kube.direct import carrier
from sloth.kube.direct.carrier import READ, Direct, UnsentError
from sloth.kube.http2.machine import Gone
from sloth.kube.http2.machine import Stream as Lane
from sloth.kube.http2.messages import ALPN, TRIES, Unpacked, head, plain
from sloth.kube.http2.sync_side import Link, Tls
from sloth.kube.route import no_tls
from sloth.kube.tls import context
from sloth.kube.wire import Answer, Broken, Request
from sloth.model.secret import Secret


class Stream:
    """An answer whose body is taken as it comes: what `direct.carrier.Stream` is, of one stream among others."""

    def __init__(self, link: Link, lane: Lane, limit: float) -> None:
        self._link, self._lane, self._limit = link, lane, limit
        self.headers = plain(lane.headers)
        self._body = Unpacked(self.headers.get("content-encoding", ""))

    @property
    def status(self) -> int:
        """HTTP's."""
        return self._lane.status

    def __iter__(self) -> Iterator[bytes]:
        """Everything that has come, each time. Raises OSError."""
        while data := self._link.take(self._lane, self._limit):
            piece = self._body.feed(data)
            if piece:
                yield piece
        self._body.end()

    def whole(self) -> Answer:
        """All of it. Raises OSError."""
        try:
            return Answer(self.status, b"".join(self), self.headers)
        finally:
            self.close()

    def shut(self) -> None:
        """End it, and no other; who waits for bytes of it wakes up."""
        self._link.cancel(self._lane)

    def idle(self) -> bool:
        """Whether nothing has come that was not taken yet."""
        return not self._lane.ready

    def close(self) -> None:
        """Whatever has not come is not wanted."""
        self._link.cancel(self._lane)


class Multiplexed(Direct):
    """Connections to one server with one client certificate. Thread-safe. Upgrades are HTTP/1.1, as everything is if it must be.

    Raises KubernetesError, CredentialsError: TLS cannot be set up.
    """

    def __init__(self, connection: Connection, certificate: tuple[bytes, Secret] | None) -> None:
        super().__init__(connection, certificate)
        self._chooser = context(connection, certificate)  # not the one of HTTP/1.1, whose connections must not offer the choice
        self._chooser.set_alpn_protocols(ALPN)
        self._authority = urlsplit(connection.server).netloc.rpartition("@")[2].encode()
        self._dialling = threading.Lock()
        self._links: list[Link] = []
        self._older = False

    def send(self, request: Request) -> Answer | Broken:
        """One request and its whole answer."""
        try:
            found = self._begun(request, READ)
            return found.whole() if found else super().send(request)
        except (OSError, UnsentError) as error:
            return _broken(error)

    def open(  # type: ignore[override]  # another Stream of the same form
        self, request: Request, read: float
    ) -> Stream | carrier.Stream | Answer | Broken:
        """Send a request whose answer is taken as it comes; an Answer if it is a refusal. `read`: seconds without a byte."""
        try:
            found = self._begun(request, read)
            if not found:
                return super().open(request, read)
            return found if found.status < 400 else found.whole()
        except (OSError, UnsentError) as error:
            return _broken(error)

    def _begun(self, request: Request, limit: float) -> Stream | None:
        """The answer as far as its head, or None where HTTP/1.1 is to be spoken. Raises OSError, UnsentError."""
        tries = 0
        while link := self._link():
            lane = link.open(self._head(request), request.body)
            if lane is None:
                continue  # others took the last room on it
            try:
                return self._answered(link, lane, limit)
            except Gone as gone:
                tries += 1
                if not gone.unprocessed or tries == TRIES:
                    raise
        return None

    def _answered(self, link: Link, lane: Lane, limit: float) -> Stream:
        try:
            link.answered(lane, limit)
            return Stream(link, lane, limit)
        except BaseException:
            link.cancel(lane)  # interrupted, or of no use: nobody will read it
            raise

    def _head(self, request: Request) -> list[tuple[bytes, bytes]]:
        named = [*self._common, *request.headers.items()]
        if request.body:
            named.append(("Content-Length", str(len(request.body))))
        try:
            headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in named]
            return head(request.method, self._authority, (self._prefix + request.target).encode("ascii"), headers)
        except UnicodeError as error:
            raise UnsentError from error

    def _link(self) -> Link | None:
        found = self._free()
        if found or self._older:
            return found
        with self._dialling:  # one thread connects, the others of that moment use what it makes
            found = self._free()
            if found or self._older:
                return found
            made = self._connected()
            with self._lock:
                self._links += [made] if made else []
                self._older = made is None
            return made

    def _free(self) -> Link | None:
        with self._lock:
            self._links = [link for link in self._links if not link.done]
            return next((link for link in self._links if link.free), None)

    def _connected(self) -> Link | None:
        """A new connection, or None where the server wants HTTP/1.1. Raises UnsentError."""
        sock = self._dialled()
        try:
            tls = Tls(self._chooser, self._name)
            if tls.shake(sock) == "h2":
                return Link(sock, tls)
        except OSError as error:
            sock.close()
            no_tls(self._route, error)
            raise UnsentError from error
        with suppress(OSError):
            sock.close()
        return None

    def close(self) -> None:
        """Close every connection."""
        super().close()
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()


def _broken(error: OSError | UnsentError) -> Broken:
    cause = error.__cause__ if isinstance(error, UnsentError) else error
    unsent = isinstance(error, UnsentError) or (isinstance(error, Gone) and error.unprocessed)
    return Broken(
        str(cause) or type(cause).__name__, sent=not unsent, certificate=isinstance(cause, ssl.SSLCertVerificationError)
    )
