"""A Kubernetes API server for tests, in this process: real HTTP on the loopback, no admission, no controllers.

It holds to what `tests/kube` proves of a real kube-apiserver: versions, paging, watches with bookmarks and 410, patches, apply
with field owners, dry runs. Beyond that it gives faults that a real server does not give on demand.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from sloth.kube.connection import Connection
from sloth.model.secret import Secret
from sloth.testing.kube_serve import Asked, Reply, reply
from sloth.testing.kube_state import State

if TYPE_CHECKING:
    from sloth.testing.kube_http2 import Conversation

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
TOKEN = "fake-token-0123456789"  # noqa: S105  of a server that lives in a test


@dataclass(slots=True)
class Fault:
    """What happens to the next request that `when` accepts, instead of or on top of an answer.

    `status` answers so (with `headers`); `cut` sends only that many bytes of the body and closes the connection.
    """

    when: Callable[[str, str], bool] = lambda method, target: True
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int = -1


class _Server(ThreadingHTTPServer):
    request_queue_size = 256  # a connection that finds the queue full comes back after a second only


class FakeKube:
    """The server. Use it as a context manager; `connection` leads to it, `requests` is every request so far.

    `execute`: exec runs programs of this machine and port-forward connects to its loopback, for whoever knows the token, which is
    a random one then. `protocols`: what it speaks on streams.
    """

    def __init__(self, token: str = "", *, execute: bool = False, protocols: tuple[str, ...] = PROTOCOLS) -> None:
        token = token or (secrets.token_hex() if execute else TOKEN)
        self.execute, self.protocols = execute, protocols
        self.state = State()
        self.tokens = {token: "tester"}
        self.state.users = self.tokens
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[socket.socket] = set()
        self.conversations: list[Conversation] = []
        self._listen(0)

    def _listen(self, port: int) -> None:
        self.stopping = threading.Event()
        self._http = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"of": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def connection(self) -> Connection:
        """As the user that it knows."""
        return Connection(server=self.url, token=Secret(next(iter(self.tokens))), name="fake")

    def __enter__(self) -> FakeKube:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Go away with every connection, have `meanwhile` done, and be there again at the same port with the same objects."""
        port = self._http.server_address[1]
        self._stop()
        for each in list(self.connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        meanwhile()
        self._listen(port)
        self._thread.start()

    def _stop(self) -> None:
        self.stopping.set()
        with self.state.lock:
            self.state.lock.notify_all()
        self._http.shutdown()
        self._http.server_close()

    def fault_for(self, method: str, target: str) -> Fault | None:
        """The first fault, if it is for this request; it is used up."""
        if self.faults and self.faults[0].when(method, target):
            return self.faults.popleft()
        return None

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        """One request."""
        self.requests.append((method, target))
        self.headers.append(headers)
        user = self.tokens.get(headers.get("authorization", "").removeprefix("Bearer "))
        parts = urlsplit(target)
        asked = Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
        return reply(self.state, asked, user, self.stopping)


class _Handler(BaseHTTPRequestHandler):
    """One connection. Made for each server with `of` as an attribute of a subclass, since http.server makes the objects."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    of: FakeKube

    def setup(self) -> None:
        """Known while it is open."""
        super().setup()
        self.of.connections.add(self.connection)

    def finish(self) -> None:
        """Known no more."""
        self.of.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        """HTTP/2 where both have chosen it (a subclass of the server that speaks TLS offers it), else HTTP/1.1."""
        chosen = getattr(self.connection, "selected_alpn_protocol", str)()
        if chosen != "h2":
            super().handle()
            return
        from sloth.testing.kube_http2 import Conversation

        spoken = Conversation(self.connection, self._stream_answer)
        self.of.conversations.append(spoken)
        spoken.serve()
        self.of.conversations.remove(spoken)

    def _stream_answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[Reply, int]:
        fault = self.of.fault_for(method, target) or Fault()
        if fault.status:
            self.of.requests.append((method, target))
            return Reply(fault.status, fault.body, fault.headers), fault.cut
        return self.of.answer(method, target, headers, body), fault.cut

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.of.fault_for(self.command, self.path) or Fault()
        if self.of.execute and not fault.status and self.headers.get("Upgrade"):
            self._upgrade({key.lower(): value for key, value in self.headers.items()}, fault.cut)
            return
        if fault.status:
            self.of.requests.append((self.command, self.path))
            given = Reply(fault.status, fault.body, fault.headers)
        else:
            given = self.of.answer(self.command, self.path, {key.lower(): value for key, value in self.headers.items()}, body)
        try:
            if isinstance(given.body, bytes):
                self._whole(given, given.body, fault.cut)
            else:
                self._stream(given, given.body, fault.cut)
        except OSError:
            self.close_connection = True

    def _upgrade(self, headers: dict[str, str], cut: int) -> None:
        """A stream into a pod that there is, for a user whom the server knows."""
        from sloth.testing import kube_streams

        self.close_connection = True
        path, _, _ = self.path.partition("?")
        found = self.of.answer("GET", path.rpartition("/")[0], headers, b"")
        self.of.requests[-1] = ("GET", self.path)
        protocol = kube_streams.chosen(headers, self.of.protocols)
        if found.status == 200 and not protocol:
            found = Reply(400, b"unable to upgrade: no protocol in common", {})
        if found.status == 200 and (why := kube_streams.refused(found.body, self.path)):
            found = Reply(400, why, {"Content-Type": "application/json"})
        if found.status != 200 and isinstance(found.body, bytes):
            self._whole(found, found.body, -1)
            return
        self.wfile.write(kube_streams.head(headers, protocol))
        kube_streams.serve(self.connection, self.path, protocol, cut)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _head(self, given: Reply, **more: str) -> None:
        self.send_response(given.status)
        for key, value in {**given.headers, **more}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def _whole(self, given: Reply, body: bytes, cut: int) -> None:
        self._head(given, Content_Length=str(len(body)))
        self.wfile.write(body if cut < 0 else body[:cut])
        self.close_connection = self.close_connection or cut >= 0

    def _stream(self, given: Reply, pieces: Iterator[bytes], cut: int) -> None:
        self._head(given, Transfer_Encoding="chunked")
        self.close_connection = True
        for piece in pieces:
            data = piece if cut < 0 else piece[:cut]
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            cut = cut if cut < 0 else cut - len(data)
            if cut == 0:
                return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
