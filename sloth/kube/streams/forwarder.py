"""Port forwarding for the sync front: the async one on a thread of its own, as it goes on while the program does other things."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from sloth.errors import SlothError

if TYPE_CHECKING:
    from sloth.kube.streams.listener import Listener
    from sloth.kube.sync_wire import SyncWire


class Forwarder:
    """Forwarded ports, until `close`. `ports` are the local ones in the order of what was asked for, `pod` is where they lead.

    It is seen by the observers of `wire`, but has connections of its own. `failed` is told, in that thread, what single
    connections met. Raises ApiError, KubernetesError, UsageError when it is made.
    """

    def __init__(
        self, wire: SyncWire, what: str, ports: Sequence[str | int], *, namespace: str | None = None,
        address: str = "127.0.0.1", failed: Callable[[SlothError], None] | None = None,
    ) -> None:  # fmt: skip
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.ports: list[int] = []
        self.pod = ""
        work = self._serve(wire, failed, lambda listener: listener.listen(what, ports, namespace, address))
        self._thread = threading.Thread(target=self._run, args=(work,), name="kube-forward", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def _run(self, work: Coroutine[None, None, None]) -> None:
        try:
            asyncio.run(work)
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    async def _serve(
        self, wire: SyncWire, failed: Callable[[SlothError], None] | None, listen: Callable[[Listener], Awaitable[None]]
    ) -> None:
        from sloth.kube.async_client import AsyncClient
        from sloth.kube.streams.listener import Listener

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        made = AsyncClient(wire.connection, policy=wire.policy, observers=wire.observers)
        async with made as client, Listener(client.wire, client.api, failed) as listener:
            await listen(listener)
            self.ports, self.pod = listener.ports, listener.pod
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more, and end every connection."""
        if self._loop and self._stop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
