"""One HTTP/2 connection for threads: each writes its own requests, and one thread of the connection's own reads for all.

TLS is done in memory (`ssl.MemoryBIO`) under the same lock as the frames, so that no two threads are ever in one TLS object,
while reading from the socket needs no lock.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sloth.kube.http2.machine import Gone, Head, Machine, Stream

BEAT = 5.0  # seconds between two looks at the clock; also how long a write may stand still
_READ = 256 << 10  # bytes


class Tls:
    """TLS over a socket, in memory. Not thread-safe."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)

    def shake(self, sock: socket.socket) -> str:
        """The handshake; gives the protocol that both chose. Raises OSError."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(self._out.read())
            except ssl.SSLError:
                with suppress(OSError):
                    sock.sendall(self._out.read())  # the alert that says why
                raise
            data = sock.recv(_READ)
            if not data:
                raise ConnectionResetError("the server closed the connection during the handshake")
            self._in.write(data)
        sock.sendall(self._out.read())
        return self._tls.selected_alpn_protocol() or ""

    def opened(self, data: bytes) -> bytes:
        """What these bytes from the socket say. Raises OSError."""
        self._in.write(data)
        found = []
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while piece := self._tls.read(_READ):
                found.append(piece)
        return b"".join(found)

    def sealed(self, data: bytes) -> bytes:
        """Bytes for the socket."""
        if data:
            self._tls.write(data)
        return self._out.read()


class Link:
    """The connection. Thread-safe."""

    def __init__(self, sock: socket.socket, tls: Tls) -> None:
        self._sock, self._tls = sock, tls
        self._lock, self._writing = threading.RLock(), threading.Lock()
        self._machine = Machine(time.monotonic())
        self._waits: dict[int, threading.Condition] = {}
        sock.settimeout(BEAT)
        self._flush()
        threading.Thread(target=self._read, name="kube http2", daemon=True).start()

    @property
    def free(self) -> bool:
        """Whether one more stream may be opened."""
        with self._lock:
            return self._machine.room()

    @property
    def done(self) -> bool:
        """Whether it is of no more use to anybody."""
        with self._lock:
            return self._machine.done

    def open(self, head: Head, body: bytes) -> Stream | None:
        """Send a request; None where there is no room for it. Raises Gone: it cannot be sent."""
        ready = threading.Condition(self._lock)
        with self._lock:
            stream = self._machine.open(head, body, ready.notify_all)
            if stream is None:
                return None
            self._waits[stream.id] = ready
        self._flush()
        return stream

    def answered(self, stream: Stream, limit: float | None) -> None:
        """Wait for the head of the answer. Raises Gone, TimeoutError (after `limit` seconds)."""
        with self._lock:
            self._wait(stream, lambda: bool(stream.status) or stream.over, limit)
            if not stream.status:
                raise stream.wrong or Gone("no answer")

    def take(self, stream: Stream, limit: float | None) -> bytes:
        """What came of the body; empty at the end. Raises Gone, TimeoutError (after `limit` seconds of silence)."""
        with self._lock:
            self._wait(stream, lambda: stream.ready, limit)
            data, restless = self._machine.take(stream), self._machine.restless
        if restless:
            self._flush()
        return data

    def cancel(self, stream: Stream) -> None:
        """Give a stream up, if it is not over."""
        with self._lock:
            self._machine.cancel(stream)
            self._waits.pop(stream.id, None)
            restless = self._machine.restless
        if restless:
            self._flush()

    def close(self) -> None:
        """End it, with every stream."""
        with self._lock:
            self._machine.leave()
        self._flush()
        self._hang_up()

    def _wait(self, stream: Stream, until: Callable[[], bool], limit: float | None) -> None:
        ready = self._waits.get(stream.id)
        if ready and not until() and not ready.wait_for(until, limit):
            self._machine.cancel(stream)
            raise TimeoutError("the server says nothing")

    def _flush(self) -> None:
        """Send what there is to send. One thread at a time, so that bytes keep their order."""
        with self._writing:
            left = size = 0
            try:
                with self._lock:
                    rest = memoryview(self._tls.sealed(self._machine.outgoing()))
                left = size = len(rest)
                while left:
                    left -= self._sock.send(rest[size - left :])
            except OSError as error:
                self._lose(f"it cannot be written to: {error}", kept=left == size)

    def _read(self) -> None:
        why = "the server closed the connection"
        try:
            while not self.done:
                try:
                    data = self._sock.recv(_READ)
                except TimeoutError:
                    data = None
                if data == b"":
                    break
                with self._lock:
                    now = time.monotonic()
                    if data:
                        self._machine.receive(self._tls.opened(data), now)
                    self._machine.tick(now)
                self._flush()
        except OSError as error:
            why = f"the connection broke: {error}"
        except Exception as error:
            why = f"{type(error).__name__}: {error}"  # nobody may wait for a thread that is gone
        finally:
            self._lose(why)

    def _lose(self, why: str, *, kept: bool = False) -> None:
        with self._lock:
            self._machine.lose(why, kept=kept)
        self._hang_up()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
