"""The sync front's way to the wire: carries out the effects of `exchange` with httpx2, in threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
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
SendIt: TypeAlias = Callable[[Request], Answer | Broken]
WIDE = 16  # requests of one call side by side
FAULTS = (httpx2.TransportError, httpx2.DecodingError, httpx2.InvalidURL)


class SyncWire:
    """Connections to one server. Thread-safe."""

    def __init__(self, connection: Connection, policy: Policy, rate: float, burst: int) -> None:
        self.connection, self.policy = connection, policy
        self._credentials = Credentials(connection)
        self._limiter = Limiter(rate, burst, time.monotonic)
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None
        self._certificate: tuple[bytes, Secret] | None = None
        self._old: list[httpx2.Client] = []

    def run(self, call: Call[T]) -> T:
        """Carry a call through. Raises what it raises, and ConnectError."""
        try:
            wanted = next(call)
            while True:
                try:
                    result = self._result(wanted)
                except Exception as error:
                    wanted = call.throw(error)
                else:
                    wanted = call.send(result)
        except StopIteration as done:
            value: T = done.value
            return value

    def _result(self, wanted: Request | tuple[Request, ...] | Pause) -> Answer | list[Answer] | None:
        if isinstance(wanted, Pause):
            time.sleep(wanted.seconds)
            return None
        return self._many(wanted) if isinstance(wanted, tuple) else self.answer(wanted)

    def _many(self, requests: Sequence[Request]) -> list[Answer]:
        if len(requests) == 1:
            return [self.answer(requests[0])]
        with ThreadPoolExecutor(min(WIDE, len(requests)), "kube") as pool:
            return list(pool.map(self.answer, requests))

    def answer(self, request: Request) -> Answer:
        """The final answer to one request. Raises ConnectError, CredentialsError."""
        return self._drive(request, self._send)

    def _drive(self, request: Request, send: SendIt) -> Answer:
        steps = exchange(request, self.policy, self._limiter, self.connection.server)
        back: Back = None
        try:
            while True:
                back = self._effect(steps.send(back), send)
        except StopIteration as done:
            answer: Answer = done.value
            return answer

    def _effect(self, wanted: Effect, send: SendIt) -> Back:
        if isinstance(wanted, Send):
            return send(wanted.request)
        if isinstance(wanted, Authenticate):
            return self._credentials.headers(wanted.refused)
        time.sleep(wanted.seconds)
        return None

    def _send(self, request: Request) -> Answer | Broken:
        client = self._http()
        try:
            return answer_of(client.send(built(client, self.connection, request)))
        except FAULTS as error:
            return broken_by(error)

    @contextmanager
    def stream(self, request: Request, read: float) -> Iterator[tuple[Iterator[bytes], Callable[[], None]]]:
        """The body as it comes, and what ends it from another thread. `read`: seconds. Raises ApiError, ConnectError."""
        opened: list[httpx2.Response] = []
        client = self._http()

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
        try:
            yield self._chunks(opened[0], request), partial(_cut, opened[0])
        finally:
            opened[0].close()

    def _chunks(self, response: httpx2.Response, request: Request) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
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

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in (*self._old, *([self._client] if self._client else ())):
                client.close()
            self._old, self._client = [], None


def _cut(response: httpx2.Response) -> None:
    """Shut the socket down: a thread that waits for bytes on it wakes up. Closing would not wake it."""
    stream = response.extensions.get("network_stream")
    found = stream.get_extra_info("socket") if stream else None
    if found is not None:
        with suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)
