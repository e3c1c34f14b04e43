"""One HTTP/2 connection for the tasks of one event loop: a task of its own reads for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from sloth.kube.http2.machine import Gone, Head, Machine, Stream

BEAT = 5.0  # seconds between two looks at the clock
_READ = 256 << 10  # bytes


class AsyncLink:
    """The connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._machine = Machine(time.monotonic())
        self._news: dict[int, asyncio.Event] = {}
        self._flush()
        self._task = asyncio.create_task(self._read())

    @property
    def free(self) -> bool:
        """Whether one more stream may be opened."""
        return self._machine.room()

    @property
    def done(self) -> bool:
        """Whether it is of no more use to anybody."""
        return self._machine.done

    def open(self, head: Head, body: bytes) -> Stream | None:
        """Send a request; None where there is no room for it. Raises Gone: it cannot be sent."""
        news = asyncio.Event()
        stream = self._machine.open(head, body, news.set)
        if stream:
            self._news[stream.id] = news
            self._flush()
        return stream

    async def answered(self, stream: Stream, limit: float | None) -> None:
        """Wait for the head of the answer. Raises Gone, TimeoutError (after `limit` seconds)."""
        await self._wait(stream, lambda: bool(stream.status) or stream.over, limit)
        if not stream.status:
            raise stream.wrong or Gone("no answer")

    async def take(self, stream: Stream, limit: float | None) -> bytes:
        """What came of the body; empty at the end. Raises Gone, TimeoutError (after `limit` seconds of silence)."""
        await self._wait(stream, lambda: stream.ready, limit)
        data = self._machine.take(stream)
        self._flush()
        return data

    def cancel(self, stream: Stream) -> None:
        """Give a stream up, if it is not over."""
        self._machine.cancel(stream)
        self._news.pop(stream.id, None)
        self._flush()

    async def close(self) -> None:
        """End it, with every stream."""
        self._machine.leave()
        self._flush()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await hung_up(self._writer)

    async def _wait(self, stream: Stream, until: Callable[[], bool], limit: float | None) -> None:
        news = self._news.get(stream.id)
        while news and not until():
            news.clear()
            try:
                await asyncio.wait_for(news.wait(), limit)
            except TimeoutError:
                self.cancel(stream)
                raise TimeoutError("the server says nothing") from None

    def _flush(self) -> None:
        if self._machine.restless and not self._writer.is_closing():
            data = self._machine.outgoing()
            if data:
                self._writer.write(data)

    async def _read(self) -> None:
        why = "the server closed the connection"
        reading: asyncio.Future[bytes] | None = None
        try:
            while not self._machine.done:
                reading = reading or asyncio.ensure_future(self._reader.read(_READ))
                await asyncio.wait((reading,), timeout=BEAT)
                now = time.monotonic()
                if reading.done():
                    data, reading = reading.result(), None
                    if not data:
                        break
                    self._machine.receive(data, now)
                self._machine.tick(now)
                self._flush()
        except OSError as error:
            why = f"the connection broke: {error}"
        except Exception as error:
            why = f"{type(error).__name__}: {error}"  # nobody may wait for a task that is gone
        finally:
            if reading:
                reading.cancel()
            self._machine.lose(why)
            self._writer.transport.abort()


async def hung_up(writer: asyncio.StreamWriter) -> None:
    """Close it now. TLS would wait for the other side to say goodbye."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
