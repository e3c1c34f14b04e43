"""One HTTP/2 connection without I/O: bytes in, bytes out, streams in between. h2 does the frames.

Who drives it gives it what was read (`receive`), sends what it wants sent (`outgoing`), tells the time (`tick`) and wakes those
who wait for a stream (`Stream.wake`). Not thread-safe: a driver with threads holds a lock. Rules: RFC 9113; how long a silent
connection is trusted is what client-go does (k8s.io/apimachinery, pkg/util/net: readIdleTimeout, pingTimeout).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error, NoAvailableStreamIDError
from h2.settings import SettingCodes, Settings

from sloth.kube.http2.frames import GoAway, Splitter

WINDOW = 4 << 20  # bytes that one stream may hold here unread; who does not read holds up itself alone
_FRAME = 256 << 10  # bytes: fewer and larger frames than the 16 KiB of the standard, since each costs Python code
_WHOLE = 64 << 20  # bytes, the connection's window: given back at once, so that no stream waits for another
_STEP = 1 << 20  # bytes of the connection's window that are given back together
_AT_FIRST = 100  # streams before the server has said how many (RFC 9113, 6.5.2 asks servers to allow as many)
SILENCE, ANSWER = 30.0, 15.0  # seconds without a byte until a ping, and from it until the connection counts as dead
Head = list[tuple[bytes, bytes]]


class Gone(ConnectionError):
    """A stream ended without its whole answer. `unprocessed`: the server has not begun, so anything may be sent again."""

    def __init__(self, why: str, *, unprocessed: bool = False) -> None:
        super().__init__(why)
        self.unprocessed = unprocessed


@dataclass(slots=True, eq=False)
class Stream:
    """One request and its answer. `status` is 0 until its head came; `over`: nothing more comes; `wrong`: why not."""

    id: int
    wake: Callable[[], None]
    unsent: memoryview
    status: int = 0
    headers: Head = field(default_factory=list)
    pieces: deque[bytes] = field(default_factory=deque)
    over: bool = False
    wrong: Gone | None = None
    untold: int = 0  # bytes that were taken, and that the server does not know of yet

    @property
    def ready(self) -> bool:
        """Whether there is something to take, or nothing to wait for."""
        return bool(self.pieces) or self.over


class Machine:
    """The client's side of one connection."""

    def __init__(self, now: float) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        wanted = {
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            SettingCodes.MAX_FRAME_SIZE: _FRAME,
            SettingCodes.MAX_HEADER_LIST_SIZE: 1 << 20,
        }
        self._h2.local_settings = Settings(client=True, initial_values=wanted)
        self._h2.max_inbound_frame_size = _FRAME
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WHOLE - 65_535)
        self._splitter = Splitter()
        self._streams: dict[int, Stream] = {}
        self._fresh: set[int] = set()  # streams that were opened since `outgoing` was asked
        self._given: set[int] = set()  # those that began with what it gave last
        self._held = 0
        self._told = False  # the server's settings came
        self._heard, self._pinged = now, False
        self.restless = True  # there may be something to send
        self.leaving: GoAway | None = None
        self.lost: Gone | None = None

    @property
    def active(self) -> int:
        """Streams that are open."""
        return len(self._streams)

    @property
    def done(self) -> bool:
        """Whether the connection is of no more use: lost, or left by the server with every stream answered."""
        return self.lost is not None or (self.leaving is not None and not self._streams)

    def room(self) -> bool:
        """Whether one more stream may be opened."""
        most = self._h2.remote_settings.max_concurrent_streams if self._told else _AT_FIRST
        return self.lost is None and self.leaving is None and len(self._streams) < most

    def open(self, head: Head, body: bytes, wake: Callable[[], None]) -> Stream | None:
        """Begin a request, or None where there is no room. `head` begins with the pseudo-headers. Raises Gone: it cannot be."""
        if not self.room():
            return None
        try:
            number = self._h2.get_next_available_stream_id()
        except NoAvailableStreamIDError:
            self.leaving = GoAway(2**31 - 1, 0)  # two thousand million requests: the next one gets a new connection
            return None
        made = Stream(number, wake, memoryview(body))
        self.restless = True
        try:
            self._h2.send_headers(number, head, end_stream=not body)
        except H2Error as error:
            raise Gone(f"the request cannot be sent: {error}", unprocessed=True) from error
        self._streams[number] = made
        self._fresh.add(number)
        self._push(made)
        return made

    def take(self, stream: Stream) -> bytes:
        """What came of the body, all of it at once; empty at the end. Raises Gone once everything before was taken."""
        if stream.pieces:
            data = stream.pieces[0] if len(stream.pieces) == 1 else b"".join(stream.pieces)
            stream.pieces.clear()
            self._taken(stream, len(data))
            return data
        if stream.wrong:
            raise stream.wrong
        return b""

    def cancel(self, stream: Stream, why: str = "given up here") -> None:
        """Give a stream up, if it is not over: the server is told, and who waits for it hears of it."""
        if stream.over:
            return
        self.restless = True
        with suppress(H2Error):
            self._h2.reset_stream(stream.id, ErrorCodes.CANCEL)
        self._end(stream, Gone(why))

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the server."""
        self._heard, self._pinged, self.restless = now, False, True
        for each in self._splitter.feed(data):
            if isinstance(each, GoAway):
                self._leave(each)
                continue
            try:
                events = self._h2.receive_data(each) if each and not self.lost else ()
            except H2Error as error:
                self.lose(f"the server breaks the protocol: {error}")
                return
            for event in events:
                self._happened(event)

    def outgoing(self) -> bytes:
        """What is to be sent now."""
        self.restless = False
        self._given, self._fresh = self._fresh, set()
        return self._h2.data_to_send()

    def tick(self, now: float) -> None:
        """Time has passed: a connection that has been silent for long is asked, and given up if it does not answer."""
        if self._pinged and now - self._heard >= SILENCE + ANSWER:
            self.lose("no answer to a ping")
        elif not self._pinged and not self.lost and now - self._heard >= SILENCE:
            self._pinged = self.restless = True
            self._h2.ping(b"sloth..?")

    def lose(self, why: str, *, kept: bool = False) -> None:
        """The connection has ended, for whatever reason. `kept`: nothing of what `outgoing` gave last has left."""
        if self.lost is None:
            self.lost = Gone(why)
            unsent = self._fresh | self._given if kept else self._fresh
            for stream in list(self._streams.values()):
                self._end(stream, Gone(why, unprocessed=True) if stream.id in unsent else self.lost)

    def leave(self) -> None:
        """Close it from here: every stream is given up, and the server is told."""
        if self.lost is None:
            self.restless = True
            with suppress(H2Error):
                self._h2.close_connection()
            self.lose("closed here")

    def _leave(self, told: GoAway) -> None:
        self.leaving = told
        for stream in list(self._streams.values()):
            if stream.id > told.last:
                self._end(stream, Gone(f"the server is leaving ({told.code})", unprocessed=not stream.status))

    def _happened(self, event: Event) -> None:
        if isinstance(event, RemoteSettingsChanged):
            self._told = True
            self._push_all(self._streams.values())
        elif isinstance(event, WindowUpdated):
            one = self._streams.get(event.stream_id)
            self._push_all((one,) if one else self._streams.values() if not event.stream_id else ())
        elif isinstance(event, DataReceived):
            self._data(event)
        elif isinstance(event, ResponseReceived):
            self._head(event)
        elif isinstance(event, (StreamEnded, StreamReset)):
            stream = self._streams.get(event.stream_id)
            if stream:
                self._end(stream, _reset(event) if isinstance(event, StreamReset) else None)

    def _head(self, event: ResponseReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream:
            found = [(bytes(name), bytes(value)) for name, value in event.headers]
            stream.status = int(next(value for name, value in found if name == b":status"))
            stream.headers = [pair for pair in found if not pair[0].startswith(b":")]
            stream.wake()

    def _data(self, event: DataReceived) -> None:
        size, stream = event.flow_controlled_length, self._streams.get(event.stream_id)
        self._held += size
        if self._held >= _STEP:
            self._h2.increment_flow_control_window(self._held)
            self._held = 0
        if stream:
            stream.untold += size - len(event.data)  # padding is not for whoever reads
            if event.data:
                stream.pieces.append(event.data)
                stream.wake()

    def _taken(self, stream: Stream, size: int) -> None:
        stream.untold += size
        if stream.untold >= WINDOW // 4 and not stream.over:
            self._h2.increment_flow_control_window(stream.untold, stream.id)
            stream.untold, self.restless = 0, True

    def _push_all(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            self._push(stream)

    def _push(self, stream: Stream) -> None:
        """Send as much of the body as the server has room for."""
        while stream.unsent and not stream.over:
            size = min(self._h2.local_flow_control_window(stream.id), self._h2.max_outbound_frame_size, len(stream.unsent))
            if size <= 0:
                return
            piece, stream.unsent = stream.unsent[:size], stream.unsent[size:]
            self._h2.send_data(stream.id, bytes(piece), end_stream=not stream.unsent)

    def _end(self, stream: Stream, wrong: Gone | None) -> None:
        if wrong is None and stream.unsent:
            # Answered before the whole request was read: the rest is of no use to the server (RFC 9113, 8.1).
            with suppress(H2Error):
                self._h2.reset_stream(stream.id, ErrorCodes.NO_ERROR)
        stream.over, stream.wrong, stream.unsent = True, wrong, memoryview(b"")
        self._streams.pop(stream.id, None)
        stream.wake()


def _reset(event: StreamReset) -> Gone:
    refused = event.error_code == ErrorCodes.REFUSED_STREAM  # RFC 9113, 8.7: nothing was done
    code = event.error_code
    return Gone(f"the server gave the stream up ({code.name if isinstance(code, ErrorCodes) else code})", unprocessed=refused)
