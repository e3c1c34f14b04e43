"""The async front's way to the wire: carries out the effects of `exchange` with httpx2, in tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import httpx2

from sloth.errors import SlothError
from sloth.kube.connection import Connection
from sloth.kube.credentials import Credentials
from sloth.kube.exchange import Aside, Authenticate, Back, Effect, Send, Steps, exchange, final, observed
from sloth.kube.faults import fault
from sloth.kube.http import READ, answer_of, broken_by, built, settings
from sloth.kube.retry import Limiter, Policy
from sloth.kube.sharing import AsyncFlights
from sloth.kube.telemetry.observer import About, Observer
from sloth.kube.telemetry.subject import subject_of
from sloth.kube.wire import Answer, Broken, Call, Pause, Request
from sloth.model.secret import Secret

if TYPE_CHECKING:
    from sloth.kube.protobuf.forms import Forms

T = TypeVar("T")
SendIt: TypeAlias = Callable[[Request], Awaitable[Answer | Broken]]
WIDE = 16  # requests of one call side by side
FAULTS = (httpx2.TransportError, httpx2.DecodingError, httpx2.InvalidURL)


class AsyncWire:
    """Connections to one server, for one event loop."""

    def __init__(
        self, connection: Connection, policy: Policy, rate: float, burst: int, observers: Sequence[Observer] = (),
        *, share_reads: bool = False, http2: bool = False, protobuf: bool = False,
    ) -> None:  # fmt: skip
        self.connection, self.policy, self.observers = connection, policy, tuple(observers)
        self._flights = AsyncFlights() if share_reads else None
        self._http2 = http2
        if http2:
            from sloth.kube.http2 import needed

            needed()
        self._forms = _forms() if protobuf else None
        self._credentials = Credentials(connection)
        self._limiter = Limiter(rate, burst, time.monotonic)
        self._client: httpx2.AsyncClient | None = None
        self._certificate: tuple[bytes, Secret] | None = None
        self._kept: tuple[tuple[bytes, Secret] | None, httpx2.AsyncClient] | None = None
        self._old: list[httpx2.AsyncClient] = []

    async def run(self, call: Call[T], plan: str = "") -> T:
        """Carry a call through. `plan`: digest of the plan that it is a part of. Raises what it raises, and ConnectError."""
        try:
            wanted = next(call)
            while True:
                try:
                    result = await self._result(wanted, plan)
                except Exception as error:
                    wanted = call.throw(error)
                else:
                    wanted = call.send(result)
        except StopIteration as done:
            value: T = done.value
            return value

    async def _result(self, wanted: Request | tuple[Request, ...] | Pause, plan: str) -> Answer | list[Answer] | None:
        if isinstance(wanted, Pause):
            await asyncio.sleep(wanted.seconds)
            return None
        return await self._many(wanted, plan) if isinstance(wanted, tuple) else await self.answer(wanted, plan)

    async def _many(self, requests: Sequence[Request], plan: str) -> list[Answer]:
        turn = asyncio.Semaphore(WIDE)

        async def one(request: Request) -> Answer:
            async with turn:
                return await self.answer(request, plan)

        return await asyncio.gather(*(one(request) for request in requests))

    async def answer(self, request: Request, plan: str = "") -> Answer:
        """The final answer to one request. Raises ConnectError, CredentialsError."""
        if not self._forms:
            return await self._carried(request, plan)
        answer = await self._carried(self._forms.asked(request), plan)
        return self._forms.told(answer, request) or await self._carried(request, plan)

    async def _carried(self, request: Request, plan: str) -> Answer:
        if self._flights:
            return await self._flights.carry(request, partial(self._drive, request, self._send, plan))
        return await self._drive(request, self._send, plan)

    async def _drive(self, request: Request, send: SendIt, plan: str = "") -> Answer:
        steps = self._steps(request, plan)
        try:
            wanted = next(steps)
            while True:
                try:
                    back = await self._effect(wanted, send)
                except SlothError as error:
                    wanted = steps.throw(error)
                else:
                    wanted = steps.send(back)
        except StopIteration as done:
            answer: Answer = done.value
            return answer
        finally:
            steps.close()  # given up: the observers hear of it now, not when the generator is collected

    def _steps(self, request: Request, plan: str) -> Steps:
        if not self.observers:
            return exchange(request, self.policy, self._limiter, self.connection.server)
        return observed(About(request, subject_of(request), self.connection, plan), self.observers, self.policy, self._limiter)

    async def _effect(self, wanted: Effect, send: SendIt) -> Back:
        if isinstance(wanted, Send):
            return await send(wanted.request)
        if isinstance(wanted, Authenticate):
            if self.connection.plugin or self.connection.token_file or self.connection.oidc:  # may run a program or read a file
                return await asyncio.to_thread(self._credentials.headers, wanted.refused)
            return self._credentials.headers(wanted.refused)
        if isinstance(wanted, Aside):
            return await asyncio.to_thread(wanted.work)
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
        request = self._forms.asked(request) if self._forms else request
        response = await self._opened(request, self._http(), read)
        try:
            yield self._chunks(response, request)
        finally:
            await response.aclose()

    async def upgraded(self, request: Request) -> httpx2.Response:
        """The response after which a connection is no HTTP any more (status 101), to be closed. Raises ApiError, ConnectError."""
        return await self._opened(request, self._lasting(), READ)

    async def _opened(self, request: Request, client: httpx2.AsyncClient, read: float) -> httpx2.Response:
        opened: list[httpx2.Response] = []

        async def send(wanted: Request) -> Answer | Broken:
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
            raise fault(self._forms.refusal(answer, request) if self._forms else answer, request)
        return opened[0]

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
            self._client, self._certificate = (
                httpx2.AsyncClient(**settings(self.connection, certificate, awaited=True, http2=self._http2)),
                certificate,
            )
        return self._client

    def _lasting(self) -> httpx2.AsyncClient:
        """For connections that are kept for long: they must not use up the pool that requests wait for."""
        certificate = self._credentials.certificate()
        if self._kept is None or self._kept[0] != certificate:
            if self._kept:
                self._old.append(self._kept[1])
            self._kept = certificate, httpx2.AsyncClient(**settings(self.connection, certificate, lasting=True, awaited=True))
        return self._kept[1]

    async def close(self) -> None:
        """Close every connection."""
        for client in (*self._old, *([self._client] if self._client else ()), *([self._kept[1]] if self._kept else ())):
            await client.aclose()
        self._old, self._client, self._kept = [], None, None
        for observer in self.observers:
            await asyncio.to_thread(observer.flush)


def _forms() -> Forms:
    from sloth.kube.protobuf.forms import Forms

    return Forms()
