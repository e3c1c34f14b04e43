"""A file or folder of this machine as a tar stream, in GNU's form, which every `tar` reads."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from sloth.errors import UsageError
from sloth.kube.streams.channels import FRAME

_RECORD = 512


class Pack:
    """Iterating gives the stream. `follow`: what links lead to, instead of the links. What cannot be sent is in `left_out`."""

    def __init__(self, source: Path, name: str, *, follow: bool = False) -> None:
        self.source, self.name = source, name
        self._look = os.stat if follow else os.lstat
        self.files, self.bytes = 0, 0
        self.left_out: list[tuple[str, str]] = []
        self._seen: set[tuple[int, int]] = set()  # folders on the way down: a link may lead back up

    def __iter__(self) -> Iterator[bytes]:
        """Blocks. Raises UsageError: a file cannot be read."""
        held = bytearray()
        for piece in self._parts(self.source, self.name):
            if len(held) + len(piece) < FRAME:
                held += piece
                continue
            if held:
                yield bytes(held)
                held.clear()
            yield piece
        yield bytes(held) + bytes(2 * _RECORD)

    def _parts(self, path: Path, name: str) -> Iterator[bytes]:
        try:
            found = self._look(path)
            info = _info(path, name, found)
            if info is None:
                self.left_out.append((str(path), "neither a file, a folder nor a link"))
                return
            yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
            if info.isreg():
                yield from self._contents(path, info.size)
            elif info.isdir():
                yield from self._below(path, name, (found.st_dev, found.st_ino))
            self.files += not info.isdir()
        except OSError as error:
            raise UsageError(
                "kube/copy-read", f"{path} cannot be read", detail=str(error.strerror), hint=f"ls -ld {path}"
            ) from error

    def _below(self, path: Path, name: str, folder: tuple[int, int]) -> Iterator[bytes]:
        if folder in self._seen:
            self.left_out.append((str(path), "a link that leads back to a folder above it"))
            return
        self._seen.add(folder)
        for child in sorted(os.listdir(path)):
            yield from self._parts(path / child, f"{name}/{child}")
        self._seen.discard(folder)

    def _contents(self, path: Path, size: int) -> Iterator[bytes]:
        """Exactly as many bytes as the header says, though the file may be changing right now."""
        with path.open("rb", buffering=0) as stream:
            left = size
            while left:
                piece = stream.read(min(FRAME, left))
                if not piece:
                    raise UsageError(
                        "kube/copy-changed", f"{path} became shorter while it was being copied", hint="copy it again"
                    )
                left -= len(piece)
                self.bytes += len(piece)
                yield piece
        yield bytes(-size % _RECORD)


def _info(path: Path, name: str, found: os.stat_result) -> tarfile.TarInfo | None:
    """The header. Owners are not sent: the user ids of this machine mean nothing in a container."""
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
    if stat.S_ISREG(found.st_mode):
        info.size = found.st_size
    elif stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    else:
        return None
    return info
