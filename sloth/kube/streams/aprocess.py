"""A command that runs in a container, for the async front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from types import TracebackType

from sloth.kube.streams import process
from sloth.kube.streams.asession import AsyncSession
from sloth.kube.streams.channels import Piece
from sloth.kube.streams.process import Done, Source, chunks
from sloth.kube.streams.remote import STDERR, STDOUT, Remote


class AsyncProcess:
    """A command under way. Iterating gives pieces of its output (channel 1 is stdout, 2 is stderr) until it ends.

    One task may iterate while others write. Leaving it early does not end the command: containers know no hang-up.
    """

    def __init__(self, session: AsyncSession, remote: Remote) -> None:
        self._session, self._remote = session, remote

    async def __aenter__(self) -> AsyncProcess:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self._session.__aiter__()

    async def take(self) -> Piece | None:
        """The next piece of output; None when there is no more."""
        return await self._session.take()

    async def write(self, data: bytes) -> None:
        """Give it input; waits while more than 1 MiB of it is not sent yet."""
        await self._session.order(partial(self._remote.stdin, data), len(data))

    async def close_stdin(self) -> None:
        """Tell it that the input has ended. Raises KubernetesError with servers before 1.30."""
        self._remote.may_end_input()
        await self._session.order(self._remote.close_stdin)

    async def resize(self, columns: int, rows: int) -> None:
        """Tell its terminal a new size."""
        await self._session.order(partial(self._remote.resize, columns, rows))

    async def feed(self, source: Source, idle: Callable[[], None] | None = None) -> AsyncIterator[Piece]:
        """Its output, while it gets this input and then the end of it; `idle` as in `Process.feed`. Raises KubernetesError."""
        self._remote.may_end_input()
        failed: list[BaseException] = []
        feeder = asyncio.ensure_future(self._feed(chunks(source), failed))
        try:
            while (piece := await self._moving(idle)) is not None:
                yield piece
            if failed:
                raise failed[0]
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)

    async def _moving(self, idle: Callable[[], None] | None) -> Piece | None:
        """The next piece; `idle` hears of it when nothing moves."""
        if not idle:
            return await self.take()
        coming = asyncio.ensure_future(self.take())
        try:
            while True:
                waiting = self._session.waiting
                if (await asyncio.wait({coming}, timeout=process.IDLE))[0]:
                    return coming.result()
                if waiting == self._session.waiting:
                    idle()
        finally:
            coming.cancel()

    async def _feed(self, blocks: Iterator[bytes], failed: list[BaseException]) -> None:
        try:
            while not self._session.over and (block := await asyncio.to_thread(next, blocks, b"")):  # a file may be slow
                await self.write(block)
            await self.close_stdin()
        except Exception as error:
            failed.append(error)
            await self.close()  # else it would wait for the rest for ever

    async def wait(self) -> int:
        """Its exit code, when it has ended; output that was not taken is dropped. Raises KubernetesError, ConnectError."""
        async for _ in self:
            pass
        return self._remote.code()

    async def done(self, pieces: AsyncIterator[Piece]) -> Done:
        """All its output and its exit code. Raises KubernetesError, ConnectError."""
        kept = {STDOUT: bytearray(), STDERR: bytearray()}
        async for piece in pieces:
            kept[piece.channel] += piece.data
        return Done(await self.wait(), bytes(kept[STDOUT]), bytes(kept[STDERR]))

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()
