"""One connection to a port of a pod, for both fronts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from sloth.kube.streams.ports import Port

if TYPE_CHECKING:
    from sloth.kube.streams.asession import AsyncSession
    from sloth.kube.streams.session import Session


class Tunnel:
    """Iterating gives what the pod's server sends, until the end. All methods may be called from any thread.

    There is no half close: a server that waits for the end of what it is sent never sees it before `close`.
    """

    def __init__(self, session: Session, port: Port) -> None:
        self._session, self._port = session, port

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        while data := self.receive():
            yield data

    def send(self, data: bytes) -> None:
        """Send; waits while more than 1 MiB is under way."""
        self._session.order(partial(self._port.send, data), len(data))

    def receive(self, seconds: float | None = None) -> bytes:
        """What came; nothing at the end, or if nothing came in that time. Raises ConnectError: nobody listens there."""
        piece = self._session.take(seconds)
        if piece is None:
            self._port.check()
            return b""
        return piece.data

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class AsyncTunnel:
    """The same for the async front. One task may receive while others send."""

    def __init__(self, session: AsyncSession, port: Port) -> None:
        self._session, self._port = session, port

    async def __aenter__(self) -> AsyncTunnel:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.receive():
            yield data

    async def send(self, data: bytes) -> None:
        """Send; waits while more than 1 MiB is under way."""
        await self._session.order(partial(self._port.send, data), len(data))

    async def receive(self) -> bytes:
        """What came; nothing at the end. Raises ConnectError: nobody listens there."""
        piece = await self._session.take()
        if piece is None:
            self._port.check()
            return b""
        return piece.data

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()
