"""The sync front of a stream: carries a machine's bytes over a line. Thread-safe: whoever needs something drives it meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

from sloth.errors import ConnectError
from sloth.kube.streams.channels import Channels, Piece
from sloth.kube.streams.handshake import Upgrade, agreed
from sloth.kube.streams.line import Line

if TYPE_CHECKING:
    import httpx2

    from sloth.kube.sync_wire import SyncWire

HIGH = 1024 * 1024  # bytes on their way out; more make the writer wait
GOODBYE = 1.0  # seconds for what is still to be sent when a stream is closed


class Machine(Protocol):
    """What `remote.Remote` and `ports.Port` have in common."""

    channels: Channels
    outgoing: bytearray
    what: str

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""

    def feed(self, data: bytes) -> list[Piece]:
        """What came."""

    def close(self) -> None:
        """Queue the end."""


M = TypeVar("M", bound=Machine)


class Session:
    """One machine on one line. Iterating gives what comes, until the end."""

    def __init__(self, machine: Machine, line: Line) -> None:
        self.machine, self.line = machine, line
        self._turn = threading.Lock()  # held by the thread that drives
        self._orders: deque[tuple[Callable[[], None], int]] = deque()
        self._count = threading.Lock()
        self._ordered = 0  # bytes of data in the orders
        self._came: deque[Piece] = deque()
        self._closed = False

    def order(self, work: Callable[[], None], size: int = 0) -> None:
        """Have the machine do something: only the thread that drives may touch it. Waits while much is under way.

        Without a size it never waits, and may be called from a signal handler.
        """
        if size:
            with self._count:
                self._ordered += size
        self._orders.append((work, size))
        if self._turn.acquire(blocking=False):
            try:
                self._send()
            finally:
                self._turn.release()
        else:
            self.line.wake()
        while size and self.waiting > HIGH and not self.over:
            self._drive(0.05, lambda: self.waiting <= HIGH)

    @property
    def waiting(self) -> int:
        """Bytes that were not sent yet."""
        return self._ordered + len(self.machine.outgoing) + self.line.waiting

    @property
    def over(self) -> bool:
        """Whether nothing more comes, but for what is held already."""
        return self.machine.over or self._closed

    def take(self, seconds: float | None = None, low: int = -1) -> Piece | None:
        """The next piece; None at the end, when none came in that time, or when no more than `low` bytes wait to be sent."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._came and not self.over and self.waiting > low:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._drive(left, lambda: bool(self._came))
        try:
            return self._came.popleft()
        except IndexError:
            return None

    def __iter__(self) -> Iterator[Piece]:
        while (piece := self.take()) is not None:
            yield piece

    def _drive(self, seconds: float | None, enough: Callable[[], bool]) -> None:
        """One turn: send, receive, and wait if there was nothing. Another thread may be at it: then wait for that one."""
        if not self._turn.acquire(timeout=-1 if seconds is None else seconds):
            return
        try:
            if enough() or self.over:
                return
            self._send()
            data = self.line.receive()
            if data is None:
                self.line.wait(seconds, writing=bool(self.machine.outgoing))
                self._send()
                data = self.line.receive()
            if data:
                self._came.extend(self.machine.feed(data))
            if self.line.over:
                self._came.extend(self.machine.feed(b""))
        finally:
            self._turn.release()

    def _send(self) -> None:
        while self._orders:
            work, size = self._orders.popleft()
            work()
            if size:
                with self._count:
                    self._ordered -= size
        self.line.send(self.machine.outgoing)

    def close(self) -> None:
        """End the connection, after what was ordered has been sent, if the other side takes it."""
        if self._closed:
            return
        if not self.machine.over:
            self.order(self.machine.close)
            deadline = time.monotonic() + GOODBYE
            while self.waiting and not self.over and time.monotonic() < deadline:
                self._drive(0.05, lambda: not self.waiting)
        self._closed = True
        self.line.wake()
        with self._turn:
            self.line.close()


def opened(wire: SyncWire, request: Upgrade, make: Callable[[str], M]) -> tuple[Session, M]:
    """Upgrade, and a session of the machine for the protocol that was agreed on. Raises ApiError, ConnectError."""
    upgraded = wire.upgraded(request)
    try:
        machine = make(agreed(request, upgraded.status, upgraded.headers))
        machine.channels.inside_tls = wire.connection.server.startswith("https:")
        return Session(machine, Line(upgraded)), machine
    except ConnectError:
        upgraded.close()
        raise


def protocol_of(request: Upgrade, response: httpx2.Response) -> str:
    """The protocol that was agreed on. Raises ConnectError."""
    return agreed(request, response.status_code, {key.lower(): value for key, value in response.headers.items()})
