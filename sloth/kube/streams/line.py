"""A socket that was upgraded, for the sync front: one thread at a time sends and receives, any thread may wake it.

One thread, because a TLS connection must not be read and written by two at once; without blocking, because a peer that cannot
write does not read either.
"""

from __future__ import annotations

import select
import socket
import ssl
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sloth.kube.direct.carrier import Upgraded

CHUNK = 64 * 1024  # bytes at a time; why not more: `channels.FRAME`
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_ALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 4))  # seconds, seconds, times: a silent peer is dead then


class Line:
    """The socket of an upgraded connection."""

    def __init__(self, upgraded: Upgraded) -> None:
        self._upgraded, self._early, self._sock = upgraded, upgraded.early, upgraded.sock
        self._sock.setblocking(False)
        keep_alive(self._sock)
        self._ears, self._bell = socket.socketpair()
        for each in (self._ears, self._bell):
            each.setblocking(False)
        self._half_sent = b""
        self.over = False

    def send(self, out: bytearray) -> None:
        """Send as much as goes; what was sent is taken from `out`."""
        while (self._half_sent or out) and not self.over:
            if not self._half_sent:
                # TLS wants the very same bytes again after it could not send them.
                with memoryview(out) as view:
                    self._half_sent = bytes(view[:CHUNK])
                del out[:CHUNK]
            try:
                sent = self._sock.send(self._half_sent)
            except _NOT_NOW:
                return
            except OSError:
                self._half_sent = b""
                return  # the other side went; what it said before is still to be read
            self._half_sent = self._half_sent[sent:]

    def receive(self) -> bytes | None:
        """What came; nothing at the end of the connection (`over`), None if there is nothing yet."""
        if self._early:
            early, self._early = self._early, b""
            return early
        if self.over:
            return b""
        found: list[bytes] = []
        size = 0
        while size < CHUNK:  # TLS gives a record at a time, 16 KiB at most
            try:
                data = self._sock.recv(CHUNK)
            except _NOT_NOW:
                break
            except OSError:
                data = b""
            if not data:
                self.over = True
                break
            found.append(data)
            size += len(data)
        return b"".join(found) if found or self.over else None

    @property
    def waiting(self) -> int:
        """Bytes that were taken and not sent yet."""
        return len(self._half_sent)

    def wait(self, seconds: float | None, *, writing: bool) -> None:
        """Until something may have come, `wake` was called, or what waits can be sent. None waits for ever."""
        if self.over:
            return
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | (select.POLLOUT if writing or self._half_sent else 0))
        poll.register(self._ears, select.POLLIN)
        for handle, _ in poll.poll(None if seconds is None else seconds * 1000):
            if handle == self._ears.fileno():
                with suppress(BlockingIOError):
                    self._ears.recv(4096)

    @property
    def bell(self) -> int:
        """A file descriptor: a byte written to it does what `wake` does."""
        return self._bell.fileno()

    def wake(self) -> None:
        """End a `wait` in another thread, or the next one."""
        with suppress(OSError):  # full: it is awake already; closed: nobody waits any more
            self._bell.send(b"\0")

    def close(self) -> None:
        """End the connection. No other thread may be in `wait`."""
        self.over = True
        self._upgraded.close()
        self._ears.close()
        self._bell.close()


def keep_alive(sock: socket.socket) -> None:
    """Have the system find out that the peer is gone, on a connection that may be silent for hours.

    A socket of this machine, which a `Route` may give, has its own way to know.
    """
    if sock.family == getattr(socket, "AF_UNIX", None):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        for name, value in _ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
