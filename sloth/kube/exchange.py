"""One request from first attempt to final answer, without I/O: authentication, rate limit, retries, one renewal after a 401.

Both fronts drive the same generator: they carry out its effects and send back what came of them.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from sloth.errors import ConnectError
from sloth.kube.retry import Limiter, Policy
from sloth.kube.wire import Answer, Broken, Pause, Request


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Give the headers that say who we are. `refused` are those that the server just answered with 401."""

    refused: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send this and give the answer, or Broken."""

    request: Request


Effect: TypeAlias = Authenticate | Send | Pause
Back: TypeAlias = Answer | Broken | Mapping[str, str] | None


def exchange(request: Request, policy: Policy, limiter: Limiter, server: str) -> Generator[Effect, Back, Answer]:
    """The final answer, whatever its status. Raises ConnectError when there is none."""
    who = cast("Mapping[str, str]", (yield Authenticate()))
    tried, renewed = 0, False
    while True:
        wait = limiter.reserve()
        if wait:
            yield Pause(wait)
        result = cast("Answer | Broken", (yield Send(request.with_headers(who))))
        tried += 1
        if isinstance(result, Answer) and result.status == 401 and not renewed:
            renewed = True
            again = cast("Mapping[str, str]", (yield Authenticate(refused=who)))
            if again != who:  # the same credentials would be refused again
                who = again
                continue
        delay = policy.delay(request, result, tried)
        if delay is None:
            return final(result, request, server)
        yield Pause(delay)


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
