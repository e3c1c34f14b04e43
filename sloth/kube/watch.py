"""Watching without I/O: what to ask next, what the bytes mean, and what a gap makes of it.

List, then watch from the list's version with bookmarks; a closed or broken stream is resumed from the last version seen; a
version that the server has forgotten (410, on a watch within an answer of 200) makes a new list, whose difference from what was
known becomes events, deletions among them. Source: kubernetes.io, "Kubernetes API Concepts" (efficient detection of changes,
resource versions).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from sloth.errors import ConnectError, SlothError
from sloth.kube.api import EVERY, Select
from sloth.kube.faults import ApiError, fault_of
from sloth.kube.resource import Resource, key_of
from sloth.kube.retry import DEFAULT, Policy
from sloth.kube.wire import JSON, Object, Pause, Request

if TYPE_CHECKING:
    from sloth.kube.protobuf.decoding import Frames

PLAIN = f"{JSON};stream=watch"  # and nothing else, even for a client that wants protobuf
SERVER_SECONDS = (240, 300)  # the server ends a watch after a time in this range, so that watches do not end all at once
SILENCE = 330.0  # seconds without a byte after which a stream counts as dead: longer than the server would let it live


class Event(msgspec.Struct, frozen=True):
    """One change. `object` is the whole object; of a deletion, its last known state."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Object


class _Frame(msgspec.Struct):
    type: str
    object: dict[str, Any]


class Relist(msgspec.Struct, frozen=True):
    """List everything, and tell `listed`."""


class Follow(msgspec.Struct, frozen=True):
    """Open this stream, and `feed` what comes; then `ended`, whatever ended it."""

    request: Request


class Watch:
    """The state of one watch. `plan` says what to do; `listed`, `feed`, `ended` and `failed` take what came of it."""

    def __init__(self, resource: Resource, namespace: str, select: Select = EVERY, policy: Policy = DEFAULT) -> None:
        self.resource, self.namespace, self.select, self._policy = resource, namespace, select, policy
        self._decoder = msgspec.json.Decoder(_Frame)
        self._pieces: list[bytes] = []
        self._accept = JSON
        self._frames: Frames | None = None
        self._wrong: SlothError | None = None
        self._failures = self._gone = 0
        self._waited, self._quiet = True, True
        self.version = ""
        self.known: dict[str, Object] = {}
        self.synced = False

    def plan(self) -> Relist | Follow | Pause:
        """The next thing to do. After a failure that is a pause first."""
        if not self._waited:
            self._waited = True
            return Pause(self._policy.backoff(self._failures))
        if not self.version:
            return Relist()
        import random

        self._quiet = True
        query = [
            *self.select.query(),
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self.version),
            ("timeoutSeconds", str(random.randint(*SERVER_SECONDS))),  # noqa: S311  no secret
        ]
        path = self.resource.path(self.namespace)
        return Follow(
            Request("GET", path, tuple(query), {"Accept": self._accept}, what=self.resource.words("watch", self.namespace))
        )

    def listed(self, items: Iterable[Object], version: str) -> list[Event]:
        """The whole list, as of `version`: what differs from what was known."""
        before, self.known = self.known, {key_of(item): item for item in items}
        self.version, self.synced, self._pieces, self._frames = version, True, [], None
        events = []
        for key, item in self.known.items():
            old = before.pop(key, None)
            if old is not None and _uid(old) != _uid(item):
                events.append(Event("DELETED", old))  # another one of the same name: the old one went in the gap
                old = None
            if old is None:
                events.append(Event("ADDED", item))
            elif _version(old) != _version(item):
                events.append(Event("MODIFIED", item))
        return [*(Event("DELETED", item) for item in before.values()), *events]

    def feed(self, data: bytes) -> list[Event]:
        """Bytes of the stream, in any pieces. Raises ApiError (the server ends the watch) and ConnectError (no frame).

        What was told before the frame that is wrong is given first; `check` raises then.
        """
        self.check()
        if self._frames is None and not self._pieces and data[:1] == b"\0":
            # A client may have asked for protobuf: its frames begin with their length, whose first byte is 0 below 16 MiB.
            from sloth.kube.protobuf.decoding import Frames

            self._frames = Frames()
        return self._events(self._framed(self._frames, data) if self._frames else self._lines(data))

    def _lines(self, data: bytes) -> Iterator[_Frame]:
        self._pieces.append(data)
        if b"\n" not in data:
            return  # put together once, however many pieces a large object comes in
        lines = b"".join(self._pieces).split(b"\n")
        last = lines.pop()
        self._pieces = [last] if last else []
        for line in lines:
            if line.strip():
                yield self._parsed(line)

    def _framed(self, frames: Frames, data: bytes) -> Iterator[_Frame]:
        from sloth.kube.protobuf.decoding import NotUnderstoodError, event

        try:
            for each in frames.feed(data):
                yield _Frame(*event(each))
        except NotUnderstoodError as error:
            self._accept = PLAIN  # from the last event on, in the form that a newer server's fields survive in
            raise _no_event(str(error)) from error

    def _events(self, frames: Iterator[_Frame]) -> list[Event]:
        events: list[Event] = []
        while True:
            try:
                frame = next(frames, None)
                if frame is None:
                    return events
                event = self._take(frame)
            except SlothError as error:
                if not events:
                    raise
                self._wrong = error
                return events
            if event:
                events.append(event)

    def check(self) -> None:
        """To be called when what `feed` gave has been passed on. Raises what ended the stream after that."""
        wrong, self._wrong = self._wrong, None
        if wrong:
            raise wrong

    def _parsed(self, line: bytes) -> _Frame:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise _no_event(str(wrong)) from wrong

    def _take(self, frame: _Frame) -> Event | None:
        try:
            if frame.type == "ERROR":
                error = fault_of(frame.object, 500, self.resource.words("watch", self.namespace))
        except (ValueError, TypeError, AttributeError) as wrong:
            raise _no_event(str(wrong)) from wrong
        if frame.type == "ERROR":
            raise error
        if not isinstance(frame.object.get("metadata"), dict):
            raise _no_event(f"the object of {frame.type[:20]!r} has no metadata")
        version = _version(frame.object)
        if version:
            self.version = version
        self._failures = self._gone = 0
        self._quiet = False
        if frame.type == "BOOKMARK":
            return None
        return self._change(frame)

    def _change(self, frame: _Frame) -> Event | None:
        key = key_of(frame.object)
        if frame.type == "DELETED":
            self.known.pop(key, None)
            return Event("DELETED", frame.object)
        if frame.type not in ("ADDED", "MODIFIED"):
            return None  # a type of a later version: its resource version is all that is understood
        known = key in self.known
        self.known[key] = frame.object
        return Event("MODIFIED" if known else "ADDED", frame.object)

    def ended(self) -> None:
        """The stream is over. An unfinished line is forgotten: the server sends that event again, after `version`."""
        if self._pieces or (self._frames and self._frames.partial) or self._quiet:
            self._again()  # cut off, or closed before it said anything: not at once again
        self._pieces, self._frames = [], None

    def failed(self, error: SlothError) -> None:
        """A list or a stream failed. Raises it where going on is no use (not allowed, no such kind)."""
        self._pieces, self._frames = [], None
        if isinstance(error, ApiError):
            if error.status == 410:
                self.version = ""  # what is known stays: the new list is compared with it
                self._gone += 1
                if self._gone == 1:
                    return  # at once the first time
            elif 400 <= error.status < 500 and error.status not in (408, 429):
                raise error
        elif not isinstance(error, ConnectError):
            raise error
        self._again()

    def _again(self) -> None:
        self._failures += 1
        self._waited = False


def _no_event(why: str) -> ConnectError:
    return ConnectError("kube/watch-broken", "the watch sends what is no event", detail=why, hint="sloth status")


def _uid(item: Object) -> str:
    return str((item.get("metadata") or {}).get("uid", ""))


def _version(item: Object) -> str:
    return str((item.get("metadata") or {}).get("resourceVersion", ""))
