"""When to send a request again, and how long to wait: full jitter, unless the server says how long (Retry-After)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sloth.kube.wire import Answer, Broken, Request

_AGAIN = frozenset({429, 502, 503, 504})
_NOT_DONE = frozenset({429, 503})  # the server says that it did not begin: safe for every request


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long. Delays are seconds; `draw` gives a number from 0 up to its argument."""

    attempts: int = 5
    first: float = 0.2
    longest: float = 15.0
    draw: Callable[[float], float] = field(default=lambda most: _drawn(most))  # noqa: PLW0108  it is defined below

    def delay(self, request: Request, result: Answer | Broken, tried: int) -> float | None:
        """Seconds to wait before attempt `tried` + 1, or None: this result is final."""
        if tried >= self.attempts or not _may_repeat(request, result):
            return None
        asked = _retry_after(result)
        # Full jitter (M. Brooker, "Exponential Backoff And Jitter"): clients that failed together do not come back together.
        return asked if asked is not None else self.backoff(tried)

    def backoff(self, tried: int) -> float:
        """A random time up to the bound of this attempt (1 is the first)."""
        return self.draw(min(self.longest, self.first * 2 ** min(tried - 1, 30)))


def _drawn(most: float) -> float:
    import random  # 1 ms that only failures pay

    return random.uniform(0, most)  # noqa: S311  no secret


DEFAULT = Policy()


def _may_repeat(request: Request, result: Answer | Broken) -> bool:
    if isinstance(result, Broken):
        return not result.certificate and (request.repeatable or request.twice or not result.sent)
    return result.status in _AGAIN and (request.repeatable or (result.status in _NOT_DONE and _retry_after(result) is not None))


def _retry_after(result: Answer | Broken) -> float | None:
    """Seconds; a date, which API servers do not send, counts as nothing said. At most a minute."""
    text = "" if isinstance(result, Broken) else result.headers.get("retry-after", "")
    return min(float(text), 60.0) if text.isascii() and text.isdigit() else None


class Limiter:
    """A token bucket: `rate` requests a second on average, `burst` at once. Thread-safe."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float]) -> None:
        self._rate, self._burst, self._now = rate, burst, now
        self._tokens, self._at = float(burst), now()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take one token, which may be one of the future: seconds to wait until it is there."""
        with self._lock:
            now = self._now()
            self._tokens = min(float(self._burst), self._tokens + (now - self._at) * self._rate) - 1
            self._at = now
            return 0.0 if self._tokens >= 0 else -self._tokens / self._rate
