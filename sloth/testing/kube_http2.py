"""HTTP/2 for the fake API server: one connection, a thread for each stream, flow control by the server's side of h2."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from sloth.testing.kube_serve import Reply

Answering = Callable[[str, str, dict[str, str], bytes], tuple[Reply, int]]
"""Method, target, headers and body to an answer, and after how many bytes of its body the stream is cut (-1: never)."""
STREAMS = 100  # at once, as a kube-apiserver allows


class Conversation:
    """One connection that has chosen `h2`. `serve` returns when it has ended; `leave` says that no more streams are taken."""

    def __init__(self, sock: socket.socket, answer: Answering) -> None:
        self._sock, self._answer = sock, answer
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._turn = threading.Condition()
        self._asked: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._over = False
        self._last = 2**31 - 1

    def serve(self) -> None:
        """Read until the client is gone."""
        self._sock.setblocking(False)
        with self._turn:
            self._h2.local_settings = Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS})
            self._h2.initiate_connection()
            self._flush()
        try:
            while data := self._receive():
                with self._turn:
                    for event in self._h2.receive_data(data):
                        self._happened(event)
                    self._flush()
                    self._turn.notify_all()
        except (OSError, H2Error):
            with self._turn, suppress(OSError):
                self._flush()  # what h2 says to a client that breaks the protocol
        finally:
            with self._turn:
                self._over = True
                self._turn.notify_all()

    def leave(self) -> None:
        """What a server does before it goes away: GOAWAY that names the last stream begun, which goes on."""
        with self._turn, suppress(OSError):
            self._last = self._h2.highest_inbound_stream_id
            frame = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + self._last.to_bytes(4, "big") + b"\x00\x00\x00\x00"
            self._flush(frame)  # h2 would take the connection for closed: RFC 9113, 6.8 does not

    def _happened(self, event: Event) -> None:
        if isinstance(event, RequestReceived) and event.stream_id <= self._last:
            self._asked[event.stream_id] = ({str(name): str(value) for name, value in event.headers}, bytearray())
        elif isinstance(event, DataReceived):
            if event.stream_id in self._asked:
                self._asked[event.stream_id][1].extend(event.data)
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded) and event.stream_id in self._asked:
            threading.Thread(target=self._work, args=(event.stream_id,), daemon=True).start()
        elif isinstance(event, StreamReset):
            self._asked.pop(event.stream_id, None)
        elif isinstance(event, ConnectionTerminated):
            self._over = True

    def _work(self, number: int) -> None:
        headers, body = self._asked[number]
        named = {name: value for name, value in headers.items() if not name.startswith(":")}
        given, cut = self._answer(headers[":method"], headers[":path"], named, bytes(body))
        pieces = iter([given.body]) if isinstance(given.body, bytes) else given.body
        with suppress(OSError, H2Error, KeyError):
            with self._turn:
                head = [(":status", str(given.status)), *((name.lower(), value) for name, value in given.headers.items())]
                self._h2.send_headers(number, head)
                self._flush()
            self._stream(number, pieces, cut)
        with self._turn:
            self._asked.pop(number, None)

    def _stream(self, number: int, pieces: Iterator[bytes], cut: int) -> None:
        for piece in pieces:
            data = piece if cut < 0 else piece[:cut]
            cut = cut if cut < 0 else cut - len(data)
            while data:
                data = data[self._send(number, data) :]
            if cut == 0:
                break
        with self._turn:
            if number in self._asked and cut < 0:
                self._h2.end_stream(number)
            elif number in self._asked:
                self._h2.reset_stream(number, ErrorCodes.INTERNAL_ERROR)
            self._flush()

    def _send(self, number: int, data: bytes) -> int:
        """As much as the client has room for; waits until there is some. Raises KeyError where the client wants no more."""
        with self._turn:
            self._turn.wait_for(lambda: self._over or number not in self._asked or self._h2.local_flow_control_window(number) > 0)
            if self._over or number not in self._asked:
                raise KeyError(number)
            size = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size, len(data))
            self._h2.send_data(number, data[:size])
            self._flush()
            return size

    def _receive(self) -> bytes:
        """Whatever comes. The socket is never read and written at once: an object of OpenSSL is for one thread at a time."""
        while True:
            with self._turn, suppress(ssl.SSLWantReadError, BlockingIOError):
                return self._sock.recv(65_536)
            select.select([self._sock], [], [])

    def _flush(self, more: bytes = b"") -> None:
        data = memoryview(self._h2.data_to_send() + more)
        while data:
            try:
                data = data[self._sock.send(data) :]
            except (ssl.SSLWantWriteError, BlockingIOError):
                select.select([], [self._sock], [])
