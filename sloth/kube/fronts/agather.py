"""Reading logs by the async client: one after the other, or followed side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from sloth.errors import SlothError
from sloth.kube.fronts.gather import QUIET, ROOM
from sloth.kube.fronts.logs import Lines, LogLine, Source
from sloth.kube.watch import SILENCE

if TYPE_CHECKING:
    from sloth.kube.async_wire import AsyncWire


async def read(wire: AsyncWire, sources: Sequence[Source], *, follow: bool) -> AsyncGenerator[LogLine, None]:
    """Lines, until all logs end or the reader goes. Raises ApiError, ConnectError."""
    if not follow or len(sources) < 2:
        for source in sources:
            async with aclosing(_one(wire, source, QUIET if follow else SILENCE)) as lines:
                async for line in lines:
                    yield line
        return
    queue: asyncio.Queue[LogLine | SlothError | None] = asyncio.Queue(ROOM)
    tasks = [asyncio.create_task(_work(wire, source, queue)) for source in sources]
    try:
        left = len(tasks)
        while left:
            found = await queue.get()
            if isinstance(found, SlothError):
                raise found
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _work(wire: AsyncWire, source: Source, queue: asyncio.Queue[LogLine | SlothError | None]) -> None:
    try:
        async with aclosing(_one(wire, source, QUIET)) as lines:
            async for line in lines:
                await queue.put(line)
    except SlothError as error:
        await queue.put(error)
    else:
        await queue.put(None)


async def _one(wire: AsyncWire, source: Source, silence: float) -> AsyncGenerator[LogLine, None]:
    async with wire.stream(source.request, silence) as chunks:
        lines = Lines(source)
        async for chunk in chunks:
            for line in lines.take(chunk):
                yield line
        for line in lines.end():
            yield line
