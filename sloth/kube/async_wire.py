"""The async front's way to the wire: carries out the effects of `exchange` with httpx2, in tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

import httpx2

from sloth.kube.connection import Connection
from sloth.kube.credentials import Credentials
from sloth.kube.exchange import Authenticate, Back, Effect, Send, exchange, final
from sloth.kube.faults import fault
from sloth.kube.http import answer_of, broken_by, built, settings
from sloth.kube.retry import Limiter, Policy
from sloth.kube.wire import Answer, Broken, Call, Pause, Request
from sloth.model.secret import Secret

T = TypeVar("T")
SendIt: TypeAlias = Callable[[Request], Awaitable[Answer | Broken]]
WIDE = 16  # requests of one call side by side
FAULTS = (httpx2.TransportError, httpx2.DecodingError, httpx2.InvalidURL)


class AsyncWire:
    """Connections to one server, for one event loop."""

    def __init__(self, connection: Connection, policy: Policy, rate: float, burst: int) -> None:
        self.connection, self.policy = connection, policy
        self._credentials = Credentials(connection)
        self._limiter = Limiter(rate, burst, time.monotonic)
        self._client: httpx2.AsyncClient | None = None
        self._certificate: tuple[bytes, Secret] | None = None
        self._old: list[httpx2.AsyncClient] = []

    async def run(self, call: Call[T]) -> T:
        """Carry a call through. Raises what it raises, and ConnectError."""
        try:
            wanted = next(call)
            while True:
                try:
                    result = await self._result(wanted)
                except Exception as error:
                    wanted = call.throw(error)
                else:
                    wanted = call.send(result)
        except StopIteration as done:
            value: T = done.value
            return value

    async def _result(self, wanted: Request | tuple[Request, ...] | Pause) -> Answer | list[Answer] | None:
        if isinstance(wanted, Pause):
            await asyncio.sleep(wanted.seconds)
            return None
        return await self._many(wanted) if isinstance(wanted, tuple) else await self.answer(wanted)

    async def _many(self, requests: Sequence[Request]) -> list[Answer]:
        turn = asyncio.Semaphore(WIDE)

        async def one(request: Request) -> Answer:
            async with turn:
                return await self.answer(request)

        return await asyncio.gather(*(one(request) for request in requests))

    async def answer(self, request: Request) -> Answer:
        """The final answer to one request. Raises ConnectError, CredentialsError."""
        return await self._drive(request, self._send)

    async def _drive(self, request: Request, send: SendIt) -> Answer:
        steps = exchange(request, self.policy, self._limiter, self.connection.server)
        back: Back = None
        try:
            while True:
                back = await self._effect(steps.send(back), send)
        except StopIteration as done:
            answer: Answer = done.value
            return answer

    async def _effect(self, wanted: Effect, send: SendIt) -> Back:
        if isinstance(wanted, Send):
            return await send(wanted.request)
        if isinstance(wanted, Authenticate):
            if self.connection.plugin or self.connection.token_file:  # may run a program or read a file
                return await asyncio.to_thread(self._credentials.headers, wanted.refused)
            return self._credentials.headers(wanted.refused)
        await asyncio.sleep(wanted.seconds)
        return None

    async def _send(self, request: Request) -> Answer | Broken:
        client = self._http()
        try:
            return answer_of(await client.send(built(client, self.connection, request)))
        except FAULTS as error:
            return broken_by(error)

    @asynccontextmanager
    async def stream(self, request: Request, read: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body as it comes. `read`: seconds of silence. Raises ApiError, ConnectError."""
        opened: list[httpx2.Response] = []

        async def send(wanted: Request) -> Answer | Broken:
            client = self._http()
            try:
                response = await client.send(built(client, self.connection, wanted, read), stream=True)
                if response.status_code < 400:
                    opened.append(response)
                    return Answer(response.status_code)
                await response.aread()
            except FAULTS as error:
                return broken_by(error)
            answer = answer_of(response)
            await response.aclose()
            return answer

        answer = await self._drive(request, send)
        if answer.status >= 400:
            raise fault(answer, request)
        try:
            yield self._chunks(opened[0], request)
        finally:
            await opened[0].aclose()

    async def _chunks(self, response: httpx2.Response, request: Request) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except FAULTS as error:
            final(broken_by(error), request, self.connection.server)

    def _http(self) -> httpx2.AsyncClient:
        certificate = self._credentials.certificate()
        if self._client is None or certificate != self._certificate:
            if self._client:
                self._old.append(self._client)  # requests of other tasks may be under way on it
            self._client, self._certificate = httpx2.AsyncClient(**settings(self.connection, certificate)), certificate
        return self._client

    async def close(self) -> None:
        """Close every connection."""
        for client in (*self._old, *([self._client] if self._client else ())):
            await client.aclose()
        self._old, self._client = [], None
