"""The sync front's way to the wire: carries out the effects of `exchange` with httpx2, in threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar

import httpx2

from sloth.errors import SlothError
from sloth.kube.connection import Connection
from sloth.kube.credentials import Credentials
from sloth.kube.exchange import Aside, Authenticate, Back, Effect, Send, Steps, exchange, final, observed
from sloth.kube.faults import fault
from sloth.kube.http import READ, answer_of, broken_by, built, settings
from sloth.kube.retry import Limiter, Policy
from sloth.kube.sharing import Flights
from sloth.kube.telemetry.observer import About, Observer
from sloth.kube.telemetry.subject import subject_of
from sloth.kube.wire import Answer, Broken, Call, Pause, Request
from sloth.model.secret import Secret

T = TypeVar("T")
SendIt: TypeAlias = Callable[[Request], Answer | Broken]
WIDE = 16  # requests of one call side by side
FAULTS = (httpx2.TransportError, httpx2.DecodingError, httpx2.InvalidURL)


class Line:
    """The connection under a stream that is open. Called, it shuts the socket down: a thread that waits for bytes wakes up."""

    def __init__(self, response: httpx2.Response) -> None:
        self._stream: Any = response.extensions.get("network_stream")

    def __call__(self) -> None:
        """Closing the socket would not wake that thread."""
        found = self._stream.get_extra_info("socket") if self._stream else None
        if found is not None:
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)

    def idle(self) -> bool:
        """Whether nothing lies in the socket that was not read yet."""
        return bool(self._stream) and not self._stream.get_extra_info("is_readable")


class SyncWire:
    """Connections to one server. Thread-safe."""

    def __init__(
        self, connection: Connection, policy: Policy, rate: float, burst: int, observers: Sequence[Observer] = (),
        *, share_reads: bool = False,
    ) -> None:  # fmt: skip
        self.connection, self.policy, self.observers = connection, policy, tuple(observers)
        self._flights = Flights() if share_reads else None
        self._credentials = Credentials(connection)
        self._limiter = Limiter(rate, burst, time.monotonic)
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None
        self._certificate: tuple[bytes, Secret] | None = None
        self._kept: tuple[tuple[bytes, Secret] | None, httpx2.Client] | None = None
        self._old: list[httpx2.Client] = []

    def run(self, call: Call[T], plan: str = "") -> T:
        """Carry a call through. `plan`: digest of the plan that it is a part of. Raises what it raises, and ConnectError."""
        try:
            wanted = next(call)
            while True:
                try:
                    result = self._result(wanted, plan)
                except Exception as error:
                    wanted = call.throw(error)
                else:
                    wanted = call.send(result)
        except StopIteration as done:
            value: T = done.value
            return value

    def _result(self, wanted: Request | tuple[Request, ...] | Pause, plan: str) -> Answer | list[Answer] | None:
        if isinstance(wanted, Pause):
            time.sleep(wanted.seconds)
            return None
        return self._many(wanted, plan) if isinstance(wanted, tuple) else self.answer(wanted, plan)

    def _many(self, requests: Sequence[Request], plan: str) -> list[Answer]:
        if len(requests) == 1:
            return [self.answer(requests[0], plan)]
        with ThreadPoolExecutor(min(WIDE, len(requests)), "kube") as pool:
            return list(pool.map(partial(self.answer, plan=plan), requests))

    def answer(self, request: Request, plan: str = "") -> Answer:
        """The final answer to one request. Raises ConnectError, CredentialsError."""
        if self._flights:
            return self._flights.carry(request, partial(self._drive, request, self._send, plan))
        return self._drive(request, self._send, plan)

    def _drive(self, request: Request, send: SendIt, plan: str = "") -> Answer:
        steps = self._steps(request, plan)
        try:
            wanted = next(steps)
            while True:
                try:
                    back = self._effect(wanted, send)
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

    def _effect(self, wanted: Effect, send: SendIt) -> Back:
        if isinstance(wanted, Send):
            return send(wanted.request)
        if isinstance(wanted, Authenticate):
            return self._credentials.headers(wanted.refused)
        if isinstance(wanted, Aside):
            return wanted.work()
        time.sleep(wanted.seconds)
        return None

    def _send(self, request: Request) -> Answer | Broken:
        client = self._http()
        try:
            return answer_of(client.send(built(client, self.connection, request)))
        except FAULTS as error:
            return broken_by(error)

    @contextmanager
    def stream(self, request: Request, read: float) -> Iterator[tuple[Iterator[bytes], Line]]:
        """The body as it comes, and what ends it from another thread. `read`: seconds. Raises ApiError, ConnectError."""
        response = self._opened(request, self._http(), read)
        try:
            yield self._chunks(response, request), Line(response)
        finally:
            response.close()

    def upgraded(self, request: Request) -> httpx2.Response:
        """The response after which a connection is no HTTP any more (status 101), to be closed. Raises ApiError, ConnectError."""
        return self._opened(request, self._lasting(), READ)

    def _opened(self, request: Request, client: httpx2.Client, read: float) -> httpx2.Response:
        opened: list[httpx2.Response] = []

        def send(wanted: Request) -> Answer | Broken:
            try:
                response = client.send(built(client, self.connection, wanted, read), stream=True)
                if response.status_code < 400:
                    opened.append(response)
                    return Answer(response.status_code)
                response.read()
            except FAULTS as error:
                return broken_by(error)
            answer = answer_of(response)
            response.close()
            return answer

        answer = self._drive(request, send)
        if answer.status >= 400:
            raise fault(answer, request)
        return opened[0]

    def _chunks(self, response: httpx2.Response, request: Request) -> Iterator[bytes]:
        # A watch has one chunk for each event, so layers that only count and pass on are left out where nothing is to be decoded.
        stream, coded = response.stream, "content-encoding" in response.headers
        try:
            yield from stream if isinstance(stream, httpx2.SyncByteStream) and not coded else response.iter_bytes()
        except FAULTS as error:
            final(broken_by(error), request, self.connection.server)

    def _http(self) -> httpx2.Client:
        certificate = self._credentials.certificate()
        with self._lock:
            if self._client is None or certificate != self._certificate:
                if self._client:
                    self._old.append(self._client)  # requests of other threads may be under way on it
                self._client, self._certificate = httpx2.Client(**settings(self.connection, certificate)), certificate
            return self._client

    def _lasting(self) -> httpx2.Client:
        """For connections that are kept for long: they must not use up the pool that requests wait for."""
        certificate = self._credentials.certificate()
        with self._lock:
            if self._kept is None or self._kept[0] != certificate:
                if self._kept:
                    self._old.append(self._kept[1])
                self._kept = certificate, httpx2.Client(**settings(self.connection, certificate, lasting=True))
            return self._kept[1]

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in (*self._old, *([self._client] if self._client else ()), *([self._kept[1]] if self._kept else ())):
                client.close()
            self._old, self._client, self._kept = [], None, None
        for observer in self.observers:
            observer.flush()
