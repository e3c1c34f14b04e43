"""One request from first attempt to final answer, without I/O: authentication, rate limit, retries, one renewal after a 401.

Both fronts drive the same generator: they carry out its effects and send back what came of them. This is also the one place
where observers (audit, metrics, spans) see every request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import TypeAlias, cast

import msgspec

from sloth.errors import ConnectError, SlothError
from sloth.kube.retry import Limiter, Policy
from sloth.kube.telemetry.observer import About, Begun, Observer, Outcome
from sloth.kube.wire import Answer, Broken, Pause, Request


class Authenticate(msgspec.Struct, frozen=True):
    """Give the headers that say who we are. `refused` are those that the server just answered with 401."""

    refused: Mapping[str, str] | None = None


class Send(msgspec.Struct, frozen=True):
    """Send this and give the answer, or Broken."""

    request: Request


class Aside(msgspec.Struct, frozen=True):
    """Do this, which may wait for a disk, and give what it returns."""

    work: Callable[[], Begun | None]


Effect: TypeAlias = Authenticate | Send | Pause | Aside
Back: TypeAlias = Answer | Broken | Mapping[str, str] | Begun | None
Steps: TypeAlias = Generator[Effect, Back, Answer]


class Tally(msgspec.Struct):
    """What one exchange took: attempts, and seconds of pauses."""

    attempts: int = 0
    waited: float = 0.0


def exchange(request: Request, policy: Policy, limiter: Limiter, server: str, tally: Tally | None = None) -> Steps:
    """The final answer, whatever its status. Raises ConnectError when there is none."""
    tally = tally or Tally()
    who = cast("Mapping[str, str]", (yield Authenticate()))
    renewed = False
    while True:
        wait = limiter.reserve()
        if wait:
            tally.waited += wait
            yield Pause(wait)
        tally.attempts += 1
        result = cast("Answer | Broken", (yield Send(request.with_headers(who))))
        if isinstance(result, Answer) and result.status == 401 and not renewed:
            renewed = True
            again = cast("Mapping[str, str]", (yield Authenticate(refused=who)))
            if again != who:  # the same credentials would be refused again
                who = again
                continue
        delay = policy.delay(request, result, tally.attempts)
        if delay is None:
            return final(result, request, server)
        tally.waited += delay
        yield Pause(delay)


def observed(
    about: About, observers: Sequence[Observer], policy: Policy, limiter: Limiter, clock: Callable[[], float] = time.monotonic
) -> Steps:
    """`exchange`, told to the observers. Raises ConnectError, and what an observer raises before anything is sent."""
    begun: list[tuple[bool, Begun]] = []
    tally, start = Tally(), clock()

    def outcome(answer: Answer | None = None, error: SlothError | None = None) -> Outcome:
        status, headers = (answer.status, answer.headers) if answer else (0, {})
        return Outcome(status, clock() - start, tally.attempts, tally.waited, error, headers)

    try:
        request = about.request
        for observer in observers:
            slow = observer.waits(about)
            one = cast("Begun | None", (yield Aside(partial(observer.begin, about)))) if slow else observer.begin(about)
            if one:
                begun.append((slow, one))
                request = request.with_headers(one.headers) if one.headers else request
        answer = yield from exchange(request, policy, limiter, about.connection.server, tally)
    except SlothError as error:
        yield from _end(begun, outcome(error=error))
        raise
    except BaseException:  # given up: cancelled, interrupted; nothing can be yielded any more
        for _, one in reversed(begun):
            one.end(outcome())
        raise
    yield from _end(begun, outcome(answer))
    return answer


def _end(begun: Sequence[tuple[bool, Begun]], outcome: Outcome) -> Generator[Effect, Back, None]:
    for slow, one in reversed(begun):
        if slow:
            yield Aside(partial(_done, one, outcome))
        else:
            one.end(outcome)


def _done(one: Begun, outcome: Outcome) -> None:
    one.end(outcome)


def final(result: Answer | Broken, request: Request, server: str) -> Answer:
    """The answer, or the failure that there is none. Raises ConnectError."""
    if isinstance(result, Answer):
        return result
    if result.certificate:
        raise ConnectError(
            "kube/certificate",
            f"{server} does not prove to be the cluster that the kubeconfig names",
            detail=result.why,
            hint="sloth kubeconfig --merge",
        )
    raise ConnectError(
        "kube/unreachable",
        f"{server} does not answer",
        detail=f"{request.what or request.target}: {result.why}",
        hint="sloth status",
    )
