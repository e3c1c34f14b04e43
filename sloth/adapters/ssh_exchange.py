"""One command on one connection: input in, both outputs out, bounded, within a time, and never deaf to a dead peer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sloth.adapters.ssh_wire import Wire

_CHUNK = 32 * 1024  # bytes; paramiko's largest packet
_GATHER = 256 * 1024  # bytes of output that may wait; well below the window of 2 MiB, so that the peer never has to stop
_PROBE_AFTER = 15.0  # seconds of silence before the peer is asked whether it lives
_DEAF_AFTER = 60.0  # seconds of silence, probes included, after which it is taken for dead
_WINDOW_POLL = 0.01  # seconds; only while the peer's receive window is full
_TICK = 5.0  # seconds between looks at the clock while nothing comes
_OPEN_TIMEOUT = 30.0  # seconds


class Lost(Exception):
    """The connection ended, or went silent, before the command did."""


class Overdue(Exception):
    """The command was still running when its time was up."""


class Flood(Exception):
    """The command printed more than is allowed."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command left. `exit` is -1 if the peer has not told it (killed by a signal)."""

    exit: int
    out: bytes
    err: bytes


class _Bell(threading.Event):
    """Wakes the waiting thread when there is something for it to do, which is less often than when something has come.

    Paramiko sets its event for each packet, and clears it when one stream is drained while the other may still wait. A batch
    sends a small packet for each step, and waking up costs more than the packet does; so packets gather until there are many.
    """

    def __init__(self, channel: Any) -> None:
        super().__init__()
        self._channel = channel
        self._streams = (channel.in_buffer, channel.in_stderr_buffer)

    def set(self) -> None:
        """Called by paramiko, with the lock of one of the streams held."""
        if self._channel.eof_received or self._channel.closed or sum(len(s._buffer) for s in self._streams) > _GATHER:
            super().set()

    def clear(self) -> None:
        """Ignored: only `next` clears, before everything is drained."""

    def next(self, timeout: float) -> None:
        """Wait for news, at most so many seconds."""
        self.wait(timeout)
        super().clear()


class Exchange:
    """Runs one command; use once."""

    def __init__(self, wire: Wire, *, timeout: float, limit: int) -> None:
        """`timeout` in seconds for everything; `limit` in bytes for each output."""
        self._wire = wire
        self._until = time.monotonic() + timeout
        self._limit = limit
        self._out = bytearray()
        self._err = bytearray()
        self._probed = 0.0

    def run(self, command: str, source: Iterator[bytes]) -> Outcome:
        """Run `command` with the chunks of `source` as its input. Raises Lost, Overdue, Flood."""
        import paramiko

        try:
            channel = self._wire.open_session(timeout=_OPEN_TIMEOUT)
        except (paramiko.SSHException, EOFError, OSError) as cause:
            raise Lost(f"no channel: {cause or type(cause).__name__}") from cause
        try:
            self._bell = _Bell(channel)
            channel.in_buffer.set_event(self._bell)
            channel.in_stderr_buffer.set_event(self._bell)
            self._wire.launch(channel, command)
            self._feed(channel, source)
            return self._finish(channel)
        except (paramiko.SSHException, EOFError, OSError) as cause:
            raise Lost(str(cause) or type(cause).__name__) from cause
        finally:
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                channel.close()

    @property
    def err(self) -> bytes:
        """What has come on stderr so far: evidence when `run` raised."""
        return bytes(self._err)

    def _feed(self, channel: Any, source: Iterator[bytes]) -> None:
        """Send without ever blocking, so that a command that prints while it reads cannot lock both sides up."""
        for chunk in source:
            view = memoryview(chunk)
            while view and not channel.closed and not channel.eof_received:
                if channel.send_ready():
                    view = view[channel.send(view[:_CHUNK].tobytes()) :]
                else:
                    self._bell.next(_WINDOW_POLL)
                    self._look(channel)
            if channel.closed or channel.eof_received:
                return  # it ended without reading all: its exit and stderr say why
        channel.shutdown_write()

    def _finish(self, channel: Any) -> Outcome:
        # End of file closes both buffers; a closed channel also (or the loss of the connection) sets the status event.
        while not (channel.eof_received or channel.closed):
            self._bell.next(self._tick())
            self._look(channel)
        while not channel.status_event.wait(self._tick()):
            self._look(channel)
        self._drain(channel)
        if channel.exit_status == -1 and self._wire.has_ended():
            raise Lost("the connection ended")
        return Outcome(exit=channel.exit_status, out=bytes(self._out), err=bytes(self._err))

    def _tick(self) -> float:
        return max(0.01, min(_TICK, self._until - time.monotonic()))

    def _look(self, channel: Any) -> None:
        self._drain(channel)
        now = time.monotonic()
        if not self._wire.is_active():
            raise Lost("the connection ended")
        if now > self._until:
            raise Overdue
        if self._wire.silence > _DEAF_AFTER:
            raise Lost(f"nothing was heard for {self._wire.silence:.0f} s")
        if self._wire.silence > _PROBE_AFTER and now - self._probed > _PROBE_AFTER:
            self._probed = now
            self._wire.probe()

    def _drain(self, channel: Any) -> None:
        while channel.recv_ready():
            self._out += channel.recv(_CHUNK)
        while channel.recv_stderr_ready():
            self._err += channel.recv_stderr(_CHUNK)
        if len(self._out) > self._limit or len(self._err) > self._limit:
            raise Flood
