"""WebSocket messages whose first byte is a channel, without I/O: bytes in, pieces out, bytes to send in `outgoing`.

Frames are wsproto's (RFC 6455). The channels are those of the API server (kubernetes: apimachinery, pkg/util/httpstream/wsstream,
package documentation); a message longer than a frame comes piece by piece, so that nothing large is ever held.
"""

from __future__ import annotations

import itertools
import operator
import os
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple, TypeAlias

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason, XorMaskerSimple
from wsproto.utilities import LocalProtocolError

FRAME = 64 * 1024
"""Bytes of data that go into one message, and of what is read for one. The allocator keeps blocks of this size, where it gives
larger ones back to the system and takes them anew each time (mallopt(3), M_MMAP_THRESHOLD): a quarter of an upload's CPU time.
"""


_Raw: TypeAlias = tuple[int, bytes | bytearray]  # a channel and what came on it, not copied yet


@cache
def _table(key: int) -> bytes:
    return bytes(each ^ key for each in range(256))


class Piece(NamedTuple):
    """Some bytes of one channel. A message may come as several pieces; an empty message is one empty piece."""

    channel: int
    data: bytes


class Channels:
    """One WebSocket after its handshake. `over` says that nothing more comes, `reason` why, where the other side said it."""

    def __init__(self, *, server: bool = False) -> None:
        self._frames = Connection(ConnectionType.SERVER if server else ConnectionType.CLIENT)
        self._channel: int | None = None  # of the message that is coming
        self.inside_tls = False
        self.outgoing = bytearray()
        self.over = False
        self.closed = False  # by a close frame, not just by an end of the connection
        self.reason = ""

    def feed(self, data: bytes) -> list[Piece]:
        """What came; no bytes mean that the connection has ended."""
        if self.over:
            return []
        if not data:
            self.over = True
            return []
        self._frames.receive_data(data)
        return _joined(raw for event in self._frames.events() for raw in self._event(event))

    def _event(self, event: Event) -> list[_Raw]:
        if isinstance(event, BytesMessage):
            return self._message(event.data, last=event.message_finished)
        if isinstance(event, Ping):
            self._send(event.response())
        elif isinstance(event, CloseConnection):
            self.over = self.closed = True
            self.reason = event.reason or ""
            if self._frames.state is ConnectionState.REMOTE_CLOSING:
                self._send(event.response())
        elif isinstance(event, TextMessage):
            self.over = True
            self.reason = "it sends text where only bytes are agreed on"
            self._send(CloseConnection(CloseReason.UNSUPPORTED_DATA))
        return []

    def _message(self, data: bytes | bytearray, *, last: bool) -> list[_Raw]:
        begins = self._channel is None
        if self._channel is None:
            if not data:
                return []  # the frame's first bytes are yet to come
            self._channel, data = data[0], data[1:]
        channel = self._channel
        if last:
            self._channel = None
        return [(channel, data)] if data or (begins and last) else []

    def send(self, channel: int, data: bytes) -> None:
        """Queue some bytes for a channel, an empty message if there are none."""
        if self._frames.state is not ConnectionState.OPEN:
            return  # nobody reads that any more
        head, view = bytes((channel,)), memoryview(data)
        for start in range(0, max(len(data), 1), FRAME):
            payload = b"".join((head, view[start : start + FRAME]))
            if self._frames.client:
                self._masked(payload)
            else:
                self._send(BytesMessage(payload))

    def _masked(self, payload: bytes) -> None:
        """A client's frame (RFC 6455, 5.2 and 5.3). As wsproto makes it, with two copies of the data instead of eight: those
        took as much time as all the rest of an upload.
        """
        size = len(payload)
        length = (
            bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2) if size < 65536 else b"\xff" + size.to_bytes(8)
        )
        # The key keeps a proxy from taking chosen bytes for a request (RFC 6455, 10.3). TLS does that, too: there one random
        # byte, four times, is enough, and all bytes of a frame go through one table, in a third of the time.
        key = os.urandom(1) * 4 if self.inside_tls else os.urandom(4)
        self.outgoing += b"\x82" + length + key
        if self.inside_tls:
            self.outgoing += payload.translate(_table(key[0]))
        else:
            self.outgoing += XorMaskerSimple(key).process(bytearray(payload))

    def close(self) -> None:
        """Queue the end of the conversation."""
        self._send(CloseConnection(CloseReason.NORMAL_CLOSURE))

    def _send(self, event: Event) -> None:
        try:
            self.outgoing += self._frames.send(event)
        except LocalProtocolError:
            return  # it is closing: nobody reads that any more


def _joined(raw: Iterable[_Raw]) -> list[Piece]:
    """Neighbours of one channel as one piece: servers send many small frames, and each piece costs its reader something."""
    by_channel = itertools.groupby(raw, key=operator.itemgetter(0))
    return [Piece(channel, b"".join(data for _, data in parts)) for channel, parts in by_channel]
