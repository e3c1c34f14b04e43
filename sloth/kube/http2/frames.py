"""The one thing that h2 does not do: a GOAWAY ends no stream up to the one that it names.

h2 takes the connection for closed when such a frame comes, and what follows it for a violation of the protocol. RFC 9113, 6.8
says that the streams up to the last one named go on. So these frames are taken out of the bytes before h2 sees them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_HEADER, _GOAWAY = 9, 0x7  # bytes of a frame's header; type (RFC 9113, 4.1 and 6.8)
_SMALL = 16_384  # bytes that a frame may always have (RFC 9113, 4.2); a longer GOAWAY is left to h2


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server takes no new streams. Those after `last` were not begun: they may be sent again, whatever they are."""

    last: int
    code: int
    why: bytes = b""


class Splitter:
    """Bytes in any pieces; out come the same bytes without GOAWAY frames, and each of those in its place."""

    def __init__(self) -> None:
        self._held = b""  # the beginning of a frame whose type is not known yet, or of a GOAWAY that is not whole yet
        self._pass = 0  # bytes of the frame under way that are still to come

    def feed(self, data: bytes) -> Iterator[bytes | GoAway]:
        """What these bytes add."""
        data, self._held = self._held + data if self._held else data, b""
        start = at = 0
        while at < len(data):
            step = min(self._pass, len(data) - at)
            at, self._pass = at + step, self._pass - step
            if at == len(data):
                break
            length = int.from_bytes(data[at : at + 3], "big")
            end = at + _HEADER + length
            if len(data) - at < _HEADER:
                self._held = data[at:]
                break
            if data[at + 3] != _GOAWAY or not 8 <= length <= _SMALL:
                self._pass = end - at
            elif len(data) < end:
                self._held = data[at:]
                break
            else:
                yield data[start:at]
                yield _read(data[at + _HEADER : end])
                start = at = end
        yield data[start:at]


def _read(payload: bytes) -> GoAway:
    return GoAway(int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, int.from_bytes(payload[4:8], "big"), payload[8:])
