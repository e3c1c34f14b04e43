"""What goes over the wire, without a wire: requests, answers, and calls that are made of them.

A *call* is a generator that yields requests and is sent the answers (the shape of sloth's phases and scripts): the same call
serves the sync and the async front, and a test can play the server with a list.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

import msgspec

T = TypeVar("T")

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as the server sent it: a plain dict, so that no field is ever lost on the way back."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `what` says it in words, for failures (`get pods default/web`); `path` begins with a slash.

    `twice`: it may be sent again when its connection broke, though its method alone would not say so.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    what: str = ""
    twice: bool = field(default=False, kw_only=True)

    @property
    def target(self) -> str:
        """Path and query, encoded."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does what sending it once does, so that a broken connection may be followed by a retry.

        A server-side apply is; other patches and creations are not (RFC 9110, 9.2.2; RFC 5789, 2).
        """
        return self.method in {"GET", "PUT", "DELETE"} or self.headers.get("Content-Type") == APPLY_PATCH

    def with_headers(self, more: Mapping[str, str]) -> Request:
        """The same with these headers too."""
        return replace(self, headers={**self.headers, **more})


class Answer(msgspec.Struct, frozen=True):
    """One HTTP response. Names of headers are in lower case. `found`: its object, where the wire has decoded it already."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    found: Object | None = None


class Broken(msgspec.Struct, frozen=True):
    """There was no answer: what happened instead. `sent` is false if the server cannot have seen the request."""

    why: str
    sent: bool = True
    certificate: bool = False


class Pause(msgspec.Struct, frozen=True):
    """Wait this many seconds."""

    seconds: float


Call: TypeAlias = Generator[Request | tuple[Request, ...] | Pause, Any, T]
"""Yields a request (and is sent its Answer), several at once (a list of answers, in their order), or a Pause (nothing)."""


def ask(request: Request) -> Call[Answer]:
    """The one answer to one request, whatever its status."""
    answer: Answer = yield request
    return answer


def ask_all(requests: Sequence[Request]) -> Call[list[Answer]]:
    """The answers to independent requests, in their order; the front sends a bounded number of them side by side."""
    if not requests:
        return []
    answers: list[Answer] = yield tuple(requests)
    return answers
