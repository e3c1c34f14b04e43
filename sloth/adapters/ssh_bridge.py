"""An SSH channel as a socket: one end of a pair for the caller, and two threads that carry bytes between the other end and SSH.

A real socket, because TLS, event loops and `poll` want one; paramiko's channel is none.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import paramiko

    from sloth.adapters.ssh_wire import Wire

_BLOCK = 64 * 1024  # bytes
_TICK = 15.0  # seconds between looks at the connection while nothing comes or goes
DEAF = 75.0  # seconds of silence after which an SSH connection counts as dead; a living one answers every 30 s


class Bridge:
    """One channel and one pair of sockets. Ends as a whole when either side ends; `over` is called then, once."""

    def __init__(self, wire: Wire, channel: paramiko.Channel, over: Callable[[], None]) -> None:
        self._wire, self._channel, self._over = wire, channel, over
        self.near, self._far = socket.socketpair()
        self._left = 2  # threads
        self._lock = threading.Lock()
        channel.settimeout(_TICK)
        for work in (self._inward, self._outward):
            threading.Thread(target=self._carry, args=(work,), name="ssh-bridge", daemon=True).start()

    def _carry(self, work: Callable[[], None]) -> None:
        import paramiko

        try:
            # What breaks here is seen by whoever has the near end: its connection is over.
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                work()
        finally:
            self._end()

    def _inward(self) -> None:
        while True:
            try:
                data = self._channel.recv(_BLOCK)
            except TimeoutError:
                self._look()
                continue
            if not data:
                return
            self._far.sendall(data)

    def _outward(self) -> None:
        while data := self._far.recv(_BLOCK):
            view = memoryview(data)
            while view:
                try:
                    sent = self._channel.send(view.tobytes())
                except TimeoutError:
                    self._look()
                    continue
                if not sent:
                    return
                view = view[sent:]

    def _look(self) -> None:
        """Raises EOFError if nothing was heard of the host for so long that the connection counts as dead."""
        if self._wire.silence > DEAF:
            raise EOFError

    def _end(self) -> None:
        """End both sides, which ends the other thread too. Bytes that are in the pair already can still be read."""
        import paramiko

        with contextlib.suppress(OSError):
            self._far.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            self._far.close()
            self._over()
