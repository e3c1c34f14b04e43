"""Ports of this machine that lead into a pod: a listening socket each, a WebSocket for every connection. For one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from sloth.errors import SlothError, UsageError
from sloth.kube.faults import ApiError
from sloth.kube.streams import asking
from sloth.kube.streams.asession import AsyncSession, opened
from sloth.kube.streams.ports import Port

if TYPE_CHECKING:
    from sloth.kube.api import Api
    from sloth.kube.async_wire import AsyncWire
    from sloth.kube.wire import Call, Object

BLOCK = 64 * 1024
LINGER = 5.0  # seconds of silence after which a connection ends whose local side has nothing more to say
_PAIR = re.compile(r"(?:(?P<here>\d{0,5}):)?(?P<there>\d{1,5}|[a-z0-9]([-a-z0-9]*[a-z0-9])?)")


@dataclass(frozen=True, slots=True)
class Mapping:
    """One forwarded port. `local` 0 asks for a free one."""

    local: int
    remote: str


def mapping(text: str | int) -> Mapping:
    """`8080`, `8080:80`, `:80` and `0:80` (any free port), `8080:http`. Raises UsageError."""
    found = _PAIR.fullmatch(str(text))
    local = found["here"] if found else None
    if not found or int(local or 0) > 65535 or (found["there"].isdigit() and not 0 < int(found["there"]) < 65536):
        raise UsageError("kube/bad-port", f"{text!r} is no port", hint="8080, 8080:80, :80 or 8080:NAME")
    if local is None:
        return Mapping(int(found["there"]) if found["there"].isdigit() else 0, found["there"])
    return Mapping(int(local or 0), found["there"])


def targets(api: Api, what: str, namespace: str | None, ports: Sequence[Mapping]) -> Call[tuple[str, list[int]]]:
    """The pod's name, and the numbers of its ports. Raises ApiError, KubernetesError."""
    pod = yield from asking.find_pod(api, what, namespace)
    kind, _, name = what.rpartition("/")
    item: Object = pod
    if (yield from api.kinds.find(kind or "pods")).kind == "Service":
        item = yield from api.get(kind, name, namespace)
    return pod["metadata"]["name"], [asking.target_port(item, pod, each.remote) for each in ports]


class Listener:
    """The sockets. `ports` are the local ones, in the order of what was asked for; `failed` is told what single connections met.

    When the pod is gone, the next connection looks for its successor, which a workload or a service has.
    """

    def __init__(self, wire: AsyncWire, api: Api, failed: Callable[[SlothError], None] | None = None) -> None:
        self._wire, self._api, self._failed = wire, api, failed or (lambda error: None)
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()
        self._find: Callable[[], Call[tuple[str, list[int]]]] | None = None
        self._numbers: list[int] = []
        self.ports: list[int] = []
        self.pod = ""

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def listen(self, what: str, ports: Sequence[str | int], namespace: str | None, address: str) -> None:
        """Find the pod and listen. Raises ApiError, KubernetesError, UsageError."""
        wanted = [mapping(port) for port in ports]
        if not wanted:
            raise UsageError("kube/bad-port", "which port?", hint="8080, 8080:80, :80 or 8080:NAME")
        self._find = partial(targets, self._api, what, namespace, wanted)
        self.pod, self._numbers = await self._wire.run(self._find())
        try:
            for at, each in enumerate(wanted):
                accept = partial(self._accept, at, namespace)
                self._servers.append(await asyncio.start_server(accept, address, each.local, limit=BLOCK))
                self.ports.append(self._servers[-1].sockets[0].getsockname()[1])
        except OSError as error:
            await self.close()
            raise UsageError(
                "kube/port-taken",
                f"this machine does not let {address}:{each.local} be listened on",
                detail=str(error.strerror or error),
                hint=f":{each.remote} takes any free port",
            ) from error

    async def _dial(self, at: int, namespace: str | None) -> tuple[AsyncSession, Port]:
        """A connection to the port; to that of the pod's successor, if the pod is gone. Raises SlothError."""
        try:
            return await self._opened(at, namespace)
        except ApiError as error:
            if error.code != "kube/not-found" or self._find is None:
                raise
        self.pod, self._numbers = await self._wire.run(self._find())
        return await self._opened(at, namespace)

    async def _opened(self, at: int, namespace: str | None) -> tuple[AsyncSession, Port]:
        request = await self._wire.run(asking.port(self._api, self.pod, self._numbers[at], namespace))
        return await opened(self._wire, request, lambda protocol: Port(request.what))

    async def _accept(self, at: int, namespace: str | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._open.add(task)
        try:
            session, port = await self._dial(at, namespace)
            try:
                await carry(session, port, reader, writer)
            finally:
                await session.close()
            port.check()
        except SlothError as error:
            self._failed(error)
        except asyncio.CancelledError:
            pass  # the listener is being closed
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def close(self) -> None:
        """Listen no more, and end every connection."""
        for server in self._servers:
            server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()


async def carry(session: AsyncSession, port: Port, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Both directions, until the pod's side ends or the local side has gone and the pod's is silent."""
    out = asyncio.ensure_future(_out(session, port, reader))
    back = asyncio.ensure_future(session.take())
    try:
        while True:
            # There is no half close: while the local side has ended and the pod may still answer, silence decides.
            done, _ = await asyncio.wait({back} if out.done() else {back, out}, timeout=LINGER if out.done() else None,
                                         return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
            if back in done:
                piece = back.result()
                if piece is None:
                    return
                writer.write(piece.data)
                await writer.drain()
                back = asyncio.ensure_future(session.take())
            elif not done:
                return
    except ConnectionError:
        return  # the local side went
    finally:
        out.cancel()
        back.cancel()
        await asyncio.gather(out, back, return_exceptions=True)


async def _out(session: AsyncSession, port: Port, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(BLOCK):
            await session.order(partial(port.send, data), len(data))
