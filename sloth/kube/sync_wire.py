"""The sync front's way to the wire: carries out the effects of `exchange` over a carrier, in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from sloth.errors import SlothError
from sloth.kube.connection import Connection
from sloth.kube.credentials import Credentials
from sloth.kube.direct.carrier import FAULTS, Direct, Upgraded, by_proxy
from sloth.kube.exchange import Aside, Authenticate, Back, Effect, Send, Steps, exchange, final, observed
from sloth.kube.faults import fault
from sloth.kube.retry import Limiter, Policy
from sloth.kube.telemetry.observer import About, Observer
from sloth.kube.telemetry.subject import subject_of
from sloth.kube.wire import Answer, Broken, Call, Pause, Request
from sloth.model.secret import Secret

if TYPE_CHECKING:
    from sloth.kube.protobuf.forms import Forms
    from sloth.kube.sharing import Flights

T = TypeVar("T")
O = TypeVar("O")  # noqa: E741  what was opened
SendIt: TypeAlias = Callable[[Request], Answer | Broken]
WIDE = 16  # requests of one call side by side


class Stream(Protocol):
    """An answer whose body is taken as it comes, of either carrier."""

    def __iter__(self) -> Iterator[bytes]: ...

    def shut(self) -> None:
        """Wake the thread that waits for bytes."""

    def idle(self) -> bool:
        """Whether nothing lies in the socket that was not read yet."""

    def close(self) -> None:
        """Close the connection."""


class Carrier(Protocol):
    """Connections to one server with one client certificate: `Direct`, or `Library` where a proxy is on the way."""

    def send(self, request: Request) -> Answer | Broken:
        """One request and its whole answer."""

    def open(self, request: Request, read: float) -> Stream | Answer | Broken:
        """Send a request whose answer is taken as it comes."""

    def upgrade(self, request: Request) -> Upgraded | Answer | Broken:
        """Send a request after which the connection is no HTTP any more."""

    def close(self) -> None:
        """Close every connection."""


class Line:
    """The connection under a stream that is open. Called, it shuts the socket down: a thread that waits for bytes wakes up."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._seconds = 0.0
        self._wait: Callable[[float], object] = time.sleep

    def gather(self, seconds: float, wait: Callable[[float], object]) -> None:
        """From now on, let what comes in quick succession gather for so many seconds, spent in `wait`: one read costs little
        more than one event does. What comes seldom, or waits already, is not held up.
        """
        self._seconds, self._wait = seconds, wait

    def gathered(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces, at such intervals."""
        while True:
            began = time.monotonic()
            piece = next(pieces, None)
            if piece is None:
                return
            soon = time.monotonic() - began < self._seconds
            yield piece
            if soon and self._stream.idle():
                self._wait(self._seconds)

    def __call__(self) -> None:
        """Shut it down."""
        self._stream.shut()

    def idle(self) -> bool:
        """Whether nothing lies in the socket that was not read yet."""
        return self._stream.idle()


class SyncWire:
    """Connections to one server. Thread-safe."""

    def __init__(
        self, connection: Connection, policy: Policy, rate: float, burst: int, observers: Sequence[Observer] = (),
        *, share_reads: bool = False, http2: bool = False, protobuf: bool = False,
    ) -> None:  # fmt: skip
        self.connection, self.policy, self.observers = connection, policy, tuple(observers)
        self._flights = _flights() if share_reads else None
        self._http2 = http2
        if http2:
            from sloth.kube.http2 import needed

            needed()
        self._forms = _forms() if protobuf else None
        self._credentials = Credentials(connection)
        self._limiter = Limiter(rate, burst, time.monotonic)
        self._lock = threading.Lock()
        self._carrier: Carrier | None = None
        self._certificate: tuple[bytes, Secret] | None = None
        self._old: list[Carrier] = []

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
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(WIDE, len(requests)), "kube") as pool:
            return list(pool.map(partial(self.answer, plan=plan), requests))

    def answer(self, request: Request, plan: str = "") -> Answer:
        """The final answer to one request. Raises ConnectError, CredentialsError."""
        if not self._forms:
            return self._carried(request, plan)
        answer = self._carried(self._forms.asked(request), plan)
        return self._forms.told(answer, request) or self._carried(request, plan)

    def _carried(self, request: Request, plan: str) -> Answer:
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
        return self._now().send(request)

    @contextmanager
    def stream(self, request: Request, read: float) -> Iterator[tuple[Iterator[bytes], Line]]:
        """The body as it comes, and what ends it from another thread. `read`: seconds. Raises ApiError, ConnectError."""
        request = self._forms.asked(request) if self._forms else request
        opened: Stream = self._opened(request, lambda wanted: self._now().open(wanted, read))
        try:
            line = Line(opened)
            yield self._chunks(opened, line, request), line
        finally:
            opened.close()

    def upgraded(self, request: Request) -> Upgraded:
        """The connection, which is no HTTP any more if its status is 101; to be closed. Raises ApiError, ConnectError."""
        return self._opened(request, lambda wanted: self._now().upgrade(wanted))

    def _opened(self, request: Request, work: Callable[[Request], O | Answer | Broken]) -> O:
        opened: list[O] = []

        def send(wanted: Request) -> Answer | Broken:
            found = work(wanted)
            if isinstance(found, (Answer, Broken)):
                return found
            opened.append(found)
            return Answer(200)

        answer = self._drive(request, send)
        if answer.status >= 400:
            raise fault(self._forms.refusal(answer, request) if self._forms else answer, request)
        return opened[0]

    def _chunks(self, stream: Stream, line: Line, request: Request) -> Iterator[bytes]:
        try:
            yield from line.gathered(iter(stream))
        except FAULTS as error:
            final(Broken(str(error) or type(error).__name__), request, self.connection.server)

    def _now(self) -> Carrier:
        """The carrier for the client certificate of this moment."""
        certificate = self._credentials.certificate()
        with self._lock:
            if self._carrier is None or certificate != self._certificate:
                if self._carrier:
                    self._old.append(self._carrier)  # requests of other threads may be under way on it
                self._carrier, self._certificate = self._made(certificate), certificate
            return self._carrier

    def _made(self, certificate: tuple[bytes, Secret] | None) -> Carrier:
        if self._http2 and self.connection.server.startswith("https:") and not by_proxy(self.connection):
            from sloth.kube.http2.carrier import Multiplexed

            return Multiplexed(self.connection, certificate)
        if not by_proxy(self.connection):
            return Direct(self.connection, certificate)
        from sloth.kube.sync_library import Library

        return Library(self.connection, certificate)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for carrier in (*self._old, *([self._carrier] if self._carrier else ())):
                carrier.close()
            self._old, self._carrier = [], None
        for observer in self.observers:
            observer.flush()


def _flights() -> Flights:
    from sloth.kube.sharing import Flights  # half of it is for asyncio, which most programs of this front have no use for

    return Flights()


def _forms() -> Forms:
    from sloth.kube.protobuf.forms import Forms

    return Forms()
