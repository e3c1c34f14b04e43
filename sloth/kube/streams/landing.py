"""Entries of an archive that nobody vouches for, written below one place and nowhere else.

Every step down is an `open` relative to the folder above it that follows no link (openat, O_NOFOLLOW), so that neither a name nor
a link of the archive, nor one that lies there already, leads out. Files appear whole, under a temporary name first.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from sloth.errors import KubernetesError
from sloth.kube.streams.untar import Entry

_DOWN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Landing:
    """Writes entries: those below `base` of the archive to `folder/name`. What is not taken is in `left_out`, with the reason.

    Modes are kept without set-id bits and without write access for others; owners are not kept. Raises KubernetesError.
    """

    def __init__(self, folder: Path, name: str, base: str) -> None:
        self.files, self.bytes = 0, 0
        self.left_out: list[tuple[str, str]] = []
        self._where = folder / name
        self._name = name
        self._base = [part for part in PurePosixPath(base).parts if part != "/"]
        self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._file: tuple[int, int, str, str, Entry] | None = None  # handle, folder, temporary name, name, entry
        self._left = 0
        self._written: set[tuple[str, ...]] = set()
        self._folders: list[tuple[tuple[str, ...], Entry]] = []
        self._open: tuple[tuple[str, ...], int] = ((), os.dup(self._root))

    def take(self, came: Entry | bytes) -> None:
        """An entry, or a piece of the contents of the last one."""
        try:
            if isinstance(came, bytes):
                self._contents(came)
            else:
                self._entry(came)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> KubernetesError:
        return KubernetesError(
            "kube/copy-write",
            f"{self._where} cannot be written",
            detail=f"{printable(str(error.filename or ''))}: {error.strerror}".lstrip(": "),
            hint=f"ls -ld {self._where.parent}",
        )

    def _entry(self, entry: Entry) -> None:
        parts = self._placed(entry.name)
        if not parts:
            return  # the folder above the one that was asked for
        self._left = entry.size
        if entry.kind == "directory":
            self._folder(parts)
            self._folders.append((parts, entry))
        elif entry.kind == "file":
            self._begin(parts, entry)
        elif entry.kind == "symlink":
            self._symlink(parts, entry)
        elif entry.kind == "hardlink":
            self._hardlink(parts, entry)
        else:
            self._skip(entry, "neither a file, a folder nor a link")

    def _placed(self, name: str) -> tuple[str, ...]:
        """Where an entry goes, as parts below the root. Raises KubernetesError: it wants to be elsewhere."""
        given = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in given or "\0" in name or given[: len(self._base)] != self._base[: len(given)]:
            raise KubernetesError(
                "kube/hostile-archive",
                "the pod sent a file for a place outside of the one that was asked for; nothing more was taken",
                detail=printable(name),
                hint="do not trust this container: its `tar` does not do what it was told",
            )
        return (self._name, *given[len(self._base) :]) if len(given) >= len(self._base) else ()

    def _skip(self, entry: Entry, why: str) -> None:
        self.left_out.append((printable(entry.name), why))

    def _folder(self, parts: Sequence[str]) -> int:
        """A handle of the folder, made if it is missing; good until the next call."""
        wanted = tuple(parts)
        if self._open[0] == wanted:
            return self._open[1]
        handle = os.dup(self._root)
        for part in wanted:
            try:
                below = _down(part, handle)
            finally:
                os.close(handle)
            handle = below
        os.close(self._open[1])
        self._open = wanted, handle
        return handle

    def _begin(self, parts: tuple[str, ...], entry: Entry) -> None:
        folder = self._folder(parts[:-1])
        part = f".{secrets.token_hex(6)}.part"
        handle = os.open(part, _NEW, 0o600, dir_fd=folder)
        self._file = handle, os.dup(folder), part, parts[-1], entry
        self._written.add(parts)
        if not entry.size:
            self._end()

    def _contents(self, data: bytes) -> None:
        if self._file is None:
            return  # of an entry that is left out
        self._left -= len(data)
        self.bytes += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file[0], view) :]
        if not self._left:
            self._end()

    def _end(self) -> None:
        """The file is whole: give it its mode, time and name."""
        if self._file is None:
            return
        handle, folder, part, name, entry = self._file
        os.fchmod(handle, entry.mode & 0o755 | 0o600)
        os.utime(handle, (entry.mtime, entry.mtime))
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.close(handle)
        os.close(folder)
        self._file = None
        self.files += 1

    def _symlink(self, parts: tuple[str, ...], entry: Entry) -> None:
        if not stays(len(parts) - 2, entry.link):
            self._skip(entry, f"a link that leads out of the copy: {printable(entry.link)}")
            return
        folder = self._folder(parts[:-1])
        _clear(parts[-1], folder)
        os.symlink(entry.link, parts[-1], dir_fd=folder)
        self._written.discard(parts)
        self.files += 1

    def _hardlink(self, parts: tuple[str, ...], entry: Entry) -> None:
        """A second name of a file that this very archive brought; of no other file."""
        source = self._placed(entry.link)
        if source not in self._written or source == parts:
            self._skip(entry, f"a second name of a file that did not come: {printable(entry.link)}")
            return
        above = os.dup(self._folder(source[:-1]))
        try:
            folder = self._folder(parts[:-1])
            _clear(parts[-1], folder)
            os.link(source[-1], parts[-1], src_dir_fd=above, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(above)
        self._written.add(parts)
        self.files += 1

    def finish(self) -> None:
        """All came: give folders their modes and times, the deepest first."""
        try:
            for parts, entry in sorted(self._folders, key=lambda each: -len(each[0])):
                handle = self._folder(parts)
                os.fchmod(handle, entry.mode & 0o755 | 0o700)
                os.utime(handle, (entry.mtime, entry.mtime))
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Let go; a file that is not whole is not kept."""
        if self._file:
            handle, folder, part, *_ = self._file
            os.close(handle)
            os.unlink(part, dir_fd=folder)
            os.close(folder)
            self._file = None
        if self._root >= 0:
            os.close(self._open[1])
            os.close(self._root)
            self._root = -1


def _down(part: str, handle: int) -> int:
    try:
        return os.open(part, _DOWN, dir_fd=handle)
    except FileNotFoundError:
        os.mkdir(part, 0o755, dir_fd=handle)
        return os.open(part, _DOWN, dir_fd=handle)


def _clear(name: str, folder: int) -> None:
    """Make room for a link. A folder is no room: the link fails then."""
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def stays(depth: int, target: str) -> bool:
    """Whether a link that lies `depth` folders below the top of the copy (-1: is the top itself) leads to a place within it.

    `..` may only come first: behind a name, which may be a link too, it could lead anywhere.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    return bool(target) and not target.startswith("/") and ".." not in parts[ups:] and ups <= depth and "\0" not in target


def printable(text: str) -> str:
    """Text of a pod's, fit for a terminal: what is not printable is escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
