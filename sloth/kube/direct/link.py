"""One connection: a socket, TLS over it where the server speaks it, read in as few turns as there is data.

OpenSSL itself reads a record in two system calls, and a watch sends a record for each event. So the socket is emptied in one
call, and OpenSSL takes the records out of memory (docs.python.org, ssl, "Memory BIO Support").
"""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress

SIZE = 64 * 1024  # bytes that are asked for at once


class Link:
    """Sends and receives, for one thread at a time; `shut` may come from any. Raises OSError, ssl.SSLError among them."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None, name: str | bytes) -> None:
        self.sock = sock
        self._came, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        # Kept: a new buffer for each of many small records would cost more than what is done with it.
        self._raw, self._plain = memoryview(bytearray(SIZE)), memoryview(bytearray(SIZE))
        self._tls = context.wrap_bio(self._came, self._going, server_hostname=name) if context else None
        if self._tls:
            self._handshake(self._tls)

    def _handshake(self, tls: ssl.SSLObject) -> None:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                with suppress(OSError):
                    self._flush()  # the alert that tells the server why
                raise
            else:
                self._flush()
                return

    def _flush(self) -> None:
        if self._going.pending:
            self.sock.sendall(self._going.read())

    def _fill(self) -> None:
        size = self.sock.recv_into(self._raw)
        if size:
            self._came.write(self._raw[:size])
        else:
            self._came.write_eof()

    def patience(self, seconds: float) -> None:
        """Seconds without a byte after which waiting ends with TimeoutError."""
        self.sock.settimeout(seconds)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        if not self._tls:
            self.sock.sendall(data)
            return
        self._tls.write(data)
        self._flush()

    def receive(self) -> bytes:
        """What came, all that is there; waits for the first of it. Nothing: the connection has ended."""
        if not self._tls:
            return self.sock.recv(SIZE)
        at = 0
        while at < SIZE:
            try:
                size = self._tls.read(SIZE - at, self._plain[at:])
            except ssl.SSLWantReadError:
                if at:
                    break
                self._flush()
                self._fill()
                continue
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                break
            if not size:
                break
            at += int(size)
        return bytes(self._plain[:at])

    def quiet(self) -> bool:
        """Whether nothing has come that was not received: on a connection that waits to be used again, it would be its end."""
        held = self._came.pending or (self._tls and self._tls.pending())
        if held or self.sock.fileno() < 0:  # closed: an informer asks after its watch has ended, too
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def shut(self) -> None:
        """End it from another thread."""
        shut(self.sock)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


def shut(sock: socket.socket) -> None:
    """End a connection: a thread that waits for bytes wakes up. Closing the socket would not wake it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
