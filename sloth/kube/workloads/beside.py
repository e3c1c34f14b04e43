"""Several calls side by side in one: what they ask at the same moment goes out together, and their pauses run at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from sloth.errors import SlothError
from sloth.kube.wire import Call, Pause, Request

T = TypeVar("T")


def side_by_side(calls: Sequence[Call[T]]) -> Call[list[T | SlothError]]:
    """What each call returned, or the SlothError that it raised, in their order; none ends because another one failed.

    Whatever comes instead of answers is raised here, and ends all of them.
    """
    lanes = [_Lane(call) for call in calls]
    try:
        for lane in lanes:
            lane.go_on(None)
        while open_lanes := [lane for lane in lanes if lane.wanted is not None]:
            asking = [lane for lane in open_lanes if not isinstance(lane.wanted, Pause)]
            if asking:
                answers = iter((yield tuple(request for lane in asking for request in lane.requests)))
                for lane in asking:
                    lane.take([next(answers) for _ in lane.requests])
            else:
                nap = min(lane.rest for lane in open_lanes)
                yield Pause(nap)
                for lane in open_lanes:
                    lane.slept(nap)
    finally:
        for lane in lanes:
            lane.call.close()
    return [lane.result for lane in lanes]


class _Lane(Generic[T]):
    """One call: what it wants now, or what it came to."""

    def __init__(self, call: Call[T]) -> None:
        self.call = call
        self.wanted: Request | tuple[Request, ...] | Pause | None = None
        self.rest = 0.0  # of its pause, in seconds
        self.result: Any = None

    @property
    def requests(self) -> tuple[Request, ...]:
        if isinstance(self.wanted, Request):
            return (self.wanted,)
        return self.wanted if isinstance(self.wanted, tuple) else ()

    def take(self, answers: list[Any]) -> None:
        self.go_on(answers[0] if isinstance(self.wanted, Request) else answers)

    def slept(self, seconds: float) -> None:
        self.rest -= seconds
        if self.rest <= 0:
            self.go_on(None)

    def go_on(self, answer: Any) -> None:
        self.wanted = None
        try:
            self.wanted = self.call.send(answer)
        except StopIteration as done:
            self.result = done.value
        except SlothError as error:
            self.result = error
        if isinstance(self.wanted, Pause):
            self.rest = self.wanted.seconds
