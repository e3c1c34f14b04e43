"""The async front of a stream: carries a machine's bytes over an upgraded connection, for one event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sloth.errors import ConnectError
from sloth.kube.streams.channels import Piece
from sloth.kube.streams.handshake import Upgrade
from sloth.kube.streams.line import CHUNK, keep_alive
from sloth.kube.streams.session import GOODBYE, HIGH, Machine, protocol_of

if TYPE_CHECKING:
    import httpx2

    from sloth.kube.async_wire import AsyncWire

M = TypeVar("M", bound=Machine)


class AsyncSession:
    """One machine on one connection. Iterating gives what comes, until the end; one task at a time may iterate."""

    def __init__(self, machine: Machine, response: httpx2.Response) -> None:
        import httpcore2

        self.machine = machine
        self._response = response
        self._stream: Any = response.extensions["network_stream"]
        sock = self._stream.get_extra_info("socket")
        if sock is not None:
            keep_alive(sock)
        self._broken = (httpcore2.NetworkError, httpcore2.TimeoutException, OSError)
        self._came: deque[Piece] = deque()
        self._sending = asyncio.Lock()
        self._replies: set[asyncio.Task[None]] = set()
        self._closed = False

    async def order(self, work: Callable[[], None], size: int = 0) -> None:
        """Have the machine do something, and send what came of it; with a size, waits while more than 1 MiB is under way."""
        work()
        if size and len(self.machine.outgoing) <= HIGH:
            self._flush_soon()
            await asyncio.sleep(0)
        else:
            await self._flush()

    @property
    def over(self) -> bool:
        """Whether nothing more comes, but for what is held already."""
        return self.machine.over or self._closed

    @property
    def waiting(self) -> int:
        """Bytes that were not sent yet."""
        return len(self.machine.outgoing)

    async def take(self) -> Piece | None:
        """The next piece; None at the end."""
        while not self._came and not self.over:
            try:
                data = await self._stream.read(CHUNK)
            except self._broken:
                data = b""
            self._came.extend(self.machine.feed(bytes(data)))
            if self.machine.outgoing:
                self._flush_soon()
        return self._came.popleft() if self._came else None

    async def __aiter__(self) -> AsyncIterator[Piece]:
        while (piece := await self.take()) is not None:
            yield piece

    def _flush_soon(self) -> None:
        """Not at once: whoever reads must go on reading while something is on its way out."""
        if any(not task.done() for task in self._replies):
            return
        task = asyncio.ensure_future(self._flush())
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)

    async def _flush(self) -> None:
        async with self._sending:
            while self.machine.outgoing and not self._closed:
                with memoryview(self.machine.outgoing) as view:
                    data = bytes(view[:CHUNK])
                del self.machine.outgoing[:CHUNK]
                try:
                    await self._stream.write(data)
                except self._broken:
                    self.machine.outgoing.clear()  # the other side went; what it said before is still to be read

    async def close(self) -> None:
        """End the connection, after what was ordered has been sent, if the other side takes it."""
        if self._closed:
            return
        if not self.machine.over:
            self.machine.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._flush(), GOODBYE)
        self._closed = True
        for task in self._replies:
            task.cancel()
        await self._response.aclose()


async def opened(wire: AsyncWire, request: Upgrade, make: Callable[[str], M]) -> tuple[AsyncSession, M]:
    """Upgrade, and a session of the machine for the protocol that was agreed on. Raises ApiError, ConnectError."""
    response = await wire.upgraded(request)
    try:
        machine = make(protocol_of(request, response))
        machine.channels.inside_tls = wire.connection.server.startswith("https:")
        return AsyncSession(machine, response), machine
    except ConnectError:
        await response.aclose()
        raise
