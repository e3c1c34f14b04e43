"""HTTP/1.1 without I/O: a request as bytes, and a response read as its bytes come.

Source: RFC 9112 (2.1 message format, 5 field syntax, 6.3 length of a body, 7.1 chunked transfer coding).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping

LONGEST = 64 * 1024  # bytes of a head; of anything else that is a line, far less is sent
_LINE = 1024
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: |$)")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\0\r\n]*")
_BODILESS = frozenset({101, 204, 304})


class NotHttpError(ValueError):
    """What came is no HTTP/1.1, or ended before its end."""


def request_bytes(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request; `Content-Length` is added where there is a body, or may be one. Raises ValueError: a header cannot be sent."""
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers:
        if not _NAME.fullmatch(name.encode()) or not _VALUE.fullmatch(value):
            raise ValueError(f"the value of the header {name[:40]!r} cannot be sent")
        lines.append(f"{name}: {value}")
    if body or method not in ("GET", "HEAD", "DELETE"):
        lines.append(f"Content-Length: {len(body)}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode() + body


class Reader:
    """One response. `status` is 0 until its head has come; `over` says that all of it has.

    `feed` gives what of the body came. After the end, `reusable` says whether the connection may be used again, and `rest` has
    the bytes that came behind.
    """

    def __init__(self, method: str = "GET") -> None:
        self._method = method
        self.status = 0
        self.headers: dict[str, str] = {}
        self.over = False
        self.reusable = False
        self.rest = b""
        self._held = b""
        self._left: int | None = None  # bytes of the body, or of a chunk; None: until the connection ends
        self._chunked = self._between = self._trailer = False
        self._unzip: zlib._Decompress | None = None

    def feed(self, data: bytes) -> bytes:
        """Bytes of the connection; none mean that it has ended. Raises NotHttpError."""
        if not data:
            return self._ended()
        if not self.status:
            data = self._head(data)
            if not self.status or (not data and not self.over):
                return b""
        if self.over:
            self.rest += data
            return b""
        body = self._chunks(data) if self._chunked else self._plain(data)
        return self._plainly(body) if self._unzip else body

    def _ended(self) -> bytes:
        if self.over:
            return b""
        if not self.status or self._chunked or self._left is not None:
            raise NotHttpError("the server closed the connection without an answer" if not self.status and not self._held
                               else "the connection ended in the middle of an answer")  # fmt: skip
        if self._unzip and not self._unzip.eof:
            raise NotHttpError("the answer cannot be decompressed: it ended too early")
        self.over = True
        return b""

    def _head(self, data: bytes) -> bytes:
        """Take the head in, once it is there; what came behind it. Answers before the last one (100) are passed over."""
        self._held += data
        while True:
            end = self._held.find(b"\r\n\r\n")
            if end < 0:
                if len(self._held) > LONGEST:
                    raise NotHttpError("the head of the answer is too long")
                return b""
            head, self._held = self._held[:end], self._held[end + 4 :]
            minor, status, headers = _parsed(head)
            if status >= 200 or status == 101:
                break
        data, self._held = self._held, b""
        self.status, self.headers = status, headers
        said = headers.get("connection", "").lower()
        self.reusable = minor == 1 and "close" not in said and status != 101
        self._length(headers)
        return data

    def _length(self, headers: Mapping[str, str]) -> None:
        coding = headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length")
        if self._method == "HEAD" or self.status in _BODILESS:
            self.over = True
        elif coding:
            if coding != "chunked":
                raise NotHttpError(f"the answer is sent in a way that was not asked for: {coding[:40]}")
            self._chunked, self._left = True, 0
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise NotHttpError("the length of the answer is no number")
            self._left = int(length)
            self.over = not self._left
        else:
            self.reusable = False
        zipped = headers.get("content-encoding", "identity").lower()
        if zipped == "gzip":
            self._unzip = zlib.decompressobj(31)  # a gzip header and trailer: zlib.net, manual, inflateInit2
        elif zipped != "identity":
            raise NotHttpError(f"the answer is coded in a way that was not asked for: {zipped[:40]}")

    def _plain(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        body, self.rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        self._left -= len(body)
        self.over = not self._left
        return body

    def _chunks(self, data: bytes) -> bytes:
        """All of these bytes at once: a watch sends a chunk for each event, and many of them come together."""
        data, self._held = self._held + data if self._held else data, b""
        found: list[bytes] = []
        at, size, left = 0, len(data), self._left or 0
        while at < size:
            if left:
                piece = data[at : at + left]
                found.append(piece)
                at += len(piece)
                left -= len(piece)
                self._between = not left
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                self._held = data[at:]
                if len(self._held) > _LINE:
                    raise NotHttpError("the answer is not in chunks, as it says")
                break
            line, at = data[at:end], end + 2
            if self._between:
                if line:
                    raise NotHttpError("a chunk is longer than it says")
                self._between = False
            elif self._trailer:
                if not line:
                    self.over, self.rest = True, data[at:]
                    break
            else:
                left = _size(line)
                self._trailer = not left
        self._left = left
        return b"".join(found) if len(found) != 1 else found[0]

    def _plainly(self, data: bytes) -> bytes:
        assert self._unzip  # noqa: S101  asked before
        try:
            text = self._unzip.decompress(data)
        except zlib.error as error:
            raise NotHttpError(f"the answer cannot be decompressed: {error}") from error
        if self.over and not self._unzip.eof:
            raise NotHttpError("the answer cannot be decompressed: it ended too early")
        return text


def _parsed(head: bytes) -> tuple[int, int, dict[str, str]]:
    """Minor version, status and headers; names in lower case, values of one name joined by commas."""
    first, *lines = head.split(b"\r\n")
    found = _STATUS.match(first)
    if not found:
        raise NotHttpError("the answer is no HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise NotHttpError("the answer has a header that is none")
        key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return int(found[1]), int(found[2]), headers


def _size(line: bytes) -> int:
    digits = line.split(b";", 1)[0].strip(b" \t")
    if not digits.isalnum() or len(digits) > 15:
        raise NotHttpError("a chunk has no length")
    try:
        return int(digits, 16)
    except ValueError as error:
        raise NotHttpError("a chunk has no length") from error
