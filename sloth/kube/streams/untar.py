"""A tar stream read as it comes, without I/O and without trust: bytes in, entries and pieces of their contents out.

The format: POSIX.1-1988 ustar, GNU's long names, pax headers (tar(5); pax, "ustar Interchange Format"). Single headers are read
by `tarfile.TarInfo`, which checks their sum. `tarfile` itself wants to pull from a file, where here bytes are pushed.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sloth.errors import KubernetesError

Kind: TypeAlias = Literal["file", "directory", "symlink", "hardlink", "other"]
_BLOCK = 512
_LONGEST = 1024 * 1024  # bytes of a header's own contents: names are at most 4096 long
_KINDS: Mapping[bytes, Kind] = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink",
}  # fmt: skip
_DATALESS = frozenset({tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE})
_META = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE})


@dataclass(frozen=True, slots=True)
class Entry:
    """One member. Names are as they were sent: do not trust them. Bytes that are no UTF-8 are surrogates, as in `os.fsdecode`."""

    name: str
    kind: Kind
    size: int = 0
    mode: int = 0o644
    mtime: float = 0.0
    link: str = ""


class Untar:
    """The reader. `feed` gives each entry and behind it its contents in pieces; `finish` says whether all was there."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left = 0  # bytes of contents that are yet to come
        self._padding = 0
        self._meta: bytes | None = None  # the type of a header whose contents are being collected
        self._name, self._link = "", ""  # of the next entry, from GNU headers
        self._pax: dict[str, str] = {}
        self._ended = False

    def feed(self, data: bytes) -> list[Entry | bytes]:
        """What came. Raises KubernetesError: this is no archive."""
        if self._ended:
            return []
        found: list[Entry | bytes] = []
        if data and self._left and self._meta is None and not self._buffer:  # most of what comes: contents, without a copy
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            found.append(piece)
        self._buffer += data
        while self._step(found):
            pass
        return found

    def finish(self) -> None:
        """Nothing, if the archive came whole. Raises KubernetesError."""
        if not self._ended:
            raise _bad("it ends in the middle")

    def _step(self, found: list[Entry | bytes]) -> bool:
        """One part of the format; False if more bytes are needed for the next."""
        if self._ended:
            self._buffer.clear()
            return False
        if self._meta is not None:
            return self._collect()
        if self._left or self._padding:
            return self._contents(found)
        if len(self._buffer) < _BLOCK:
            return False
        block = bytes(self._buffer[:_BLOCK])
        del self._buffer[:_BLOCK]
        self._header(block, found)
        return True

    def _contents(self, found: list[Entry | bytes]) -> bool:
        if not self._buffer:
            return False
        if self._left:
            piece = bytes(self._buffer[: self._left])
            del self._buffer[: self._left]
            self._left -= len(piece)
            found.append(piece)
        elif self._padding:
            gone = min(self._padding, len(self._buffer))
            del self._buffer[:gone]
            self._padding -= gone
        return True

    def _collect(self) -> bool:
        """The contents of a header that says more about the next entry."""
        if len(self._buffer) < self._left + self._padding:
            return False
        text = bytes(self._buffer[: self._left])
        del self._buffer[: self._left + self._padding]
        kind, self._meta, self._left, self._padding = self._meta, None, 0, 0
        if kind == tarfile.GNUTYPE_LONGNAME:
            self._name = _text(text)
        elif kind == tarfile.GNUTYPE_LONGLINK:
            self._link = _text(text)
        elif kind != tarfile.XGLTYPE:  # a global header tells nothing that counts here
            self._pax = _records(text)
        return True

    def _header(self, block: bytes, found: list[Entry | bytes]) -> None:
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            self._ended = True
            return
        except tarfile.HeaderError as error:
            raise _bad(str(error)) from error
        if info.size < 0:
            raise _bad("a size below nothing")
        if info.type in _META:
            if info.size > _LONGEST:
                raise _bad("a header of more than 1 MiB")
            self._meta = info.type
        self._left = 0 if info.type in _DATALESS else self._size(info)
        self._padding = -self._left % _BLOCK
        if self._meta is None:
            found.append(self._entry(info))
            self._name, self._link, self._pax = "", "", {}

    def _size(self, info: tarfile.TarInfo) -> int:
        text = "" if info.type in _META else self._pax.get("size", "")
        if not text:
            return info.size
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise _bad("a size that is no number")
        return int(text)

    def _entry(self, info: tarfile.TarInfo) -> Entry:
        if info.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse") for key in self._pax):
            raise _bad("it has sparse files, in a form of GNU tar's own")
        name = self._pax.get("path") or self._name or info.name
        link = self._pax.get("linkpath") or self._link or info.linkname
        return Entry(name, _KINDS.get(info.type, "other"), self._left, info.mode, float(info.mtime), link)


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _records(data: bytes) -> dict[str, str]:
    """The records of a pax header, each a line `LENGTH key=value` with its own length. Raises KubernetesError."""
    found = {}
    while data:
        number, _, _ = data.partition(b" ")
        length = int(number) if number.isdigit() and len(number) < 10 else 0
        record = data[len(number) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or length > len(data):
            raise _bad("a broken pax header")
        found[key.decode("utf-8", "surrogateescape")] = value[:-1].decode("utf-8", "surrogateescape")
        data = data[length:]
    return found


def _bad(why: str) -> KubernetesError:
    return KubernetesError(
        "kube/bad-archive",
        "what the pod's `tar` sent is no archive that can be read",
        detail=why,
        hint="sloth kube exec POD -- tar --version says whose tar it is",
    )
