"""Writing the audit log: appended under a lock, chained, synced before the call that it is about goes out.

Several processes and threads may write one log. Threads that wait for the disk at the same time share one fsync.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sloth.errors import StateError
from sloth.kube.audit import files
from sloth.kube.audit.chain import Mark, mark_of, sealed, torn
from sloth.kube.audit.files import Head

LIMIT = 64 << 20  # bytes of a file, after which a new one is begun


class Journal:
    """One log in a folder of its own. `keep`: how many full files stay; 0 keeps all of them."""

    def __init__(self, folder: Path, *, limit: int = LIMIT, keep: int = 0) -> None:
        self.folder, self._limit, self._keep = folder, limit, keep
        self._lock, self._syncing = threading.Lock(), threading.Lock()
        self._handle = -1
        self._known: tuple[int, int, Mark] | None = None  # inode, size and last mark as we left them
        self._written = self._synced = Mark()

    def append(self, entry: Mapping[str, Any], *, durable: bool) -> int:
        """Add an entry, and give its number. With `durable` it is on the disk when this returns. Raises StateError."""
        with self._explained():
            with self._lock:
                files.make_private(self.folder)
                with files.locked(self.folder):
                    mark = self._append(entry)
            if durable:
                self._sync(mark)
        return mark.seq

    def close(self) -> None:
        """Have everything on the disk. It may be written to again. Raises StateError."""
        with self._explained():
            if self._handle >= 0:
                self._sync(self._written)
            with self._lock:
                self._release()

    def _append(self, entry: Mapping[str, Any]) -> Mark:
        size = self._open()
        known = self._known
        if known and known[:2] == (os.fstat(self._handle).st_ino, size):
            mark, before = known[2], b""
        else:
            mark, before = self._catch_up(size)
        data, after = sealed(entry, mark)
        if size and size + len(before) + len(data) > self._limit:
            self._write(before, size)
            self._rotate(mark)
            size, before = self._open(), b""
        size = self._write(before + data, size)
        self._known = (os.fstat(self._handle).st_ino, size, after)
        self._written = after
        return after

    def _open(self) -> int:
        """Have the current file open, whoever began it; its size."""
        if self._handle >= 0:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._handle), (self.folder / files.CURRENT).stat()):
                    return os.fstat(self._handle).st_size
            self._release()
        self._handle = files.open_current(self.folder)
        return os.fstat(self._handle).st_size

    def _release(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._known = -1, None

    def _catch_up(self, size: int) -> tuple[Mark, bytes]:
        """The mark to go on from, and lines to write first: about what a crash left, or about what is gone."""
        head = files.read_head(self.folder)
        old = files.old_files(self.folder)
        if head is None and not size and not old:
            files.write_head(self.folder, Head())
            files.sync_folder(self.folder)
            return Mark(), b""
        last, fragment = files.end_of(self._handle, size)
        mark = mark_of(last) if last else self._before(old)
        lines = b"\n" if fragment else b""
        if fragment and mark:
            # Cut short in a crash, so nobody was told that it is there: it stays, and is named.
            line, mark = sealed(torn(fragment), mark)
            lines += line
        known = head.last if head else Mark()
        if head is None or mark is None or mark.seq < known.seq or (mark.seq == known.seq and mark != known):
            line, mark = sealed({"event": "gap", "head": known.seq}, mark or known)
            lines += line
            files.write_head(self.folder, head or Head())
        return mark, lines

    def _before(self, old: list[Path]) -> Mark | None:
        """The mark of the last line of the newest full file."""
        if not old:
            return Mark()
        handle = os.open(old[-1], os.O_RDONLY | os.O_CLOEXEC)
        try:
            return mark_of(files.end_of(handle, os.fstat(handle).st_size)[0])
        finally:
            os.close(handle)

    def _write(self, data: bytes, size: int) -> int:
        """Append all of it or nothing; the size then."""
        done = 0
        try:
            while done < len(data):
                done += os.write(self._handle, data[done:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._handle, size)  # under the lock, and nobody was told that it is there
            raise
        return size + done

    def _rotate(self, last: Mark) -> None:
        os.fsync(self._handle)
        old = files.old_files(self.folder)
        head = files.read_head(self.folder) or Head()
        first = files.last_of(old[-1]) + 1 if old else head.before.seq + 1
        path = self.folder / files.old_name(first, last.seq)
        os.rename(self.folder / files.CURRENT, path)
        os.fchmod(self._handle, 0o400)
        self._release()
        before, gone = head.before, [*old, path][: -self._keep] if self._keep else []
        if gone:
            before = self._before(gone) or before
        files.write_head(self.folder, Head(before, last))
        for each in gone:
            each.unlink()
        files.sync_folder(self.folder)
        self._synced = last

    def _sync(self, mark: Mark) -> None:
        with self._syncing:
            if self._synced.seq >= mark.seq:
                return  # another thread's fsync has covered it
            with self._lock:
                if self._handle < 0:
                    return  # its file is full, and was synced then
                handle, upto = os.dup(self._handle), self._written
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            with files.locked(self.folder):
                head = files.read_head(self.folder)
                if head and head.last.seq < upto.seq:
                    files.write_head(self.folder, Head(head.before, upto))
            self._synced = upto

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateError(
                "kube/audit-not-written",
                "the audit log cannot be written, so nothing is changed that would stand in it",
                detail=str(error),
                where=str(self.folder),
                hint=f"df -h {self.folder}",
            ) from error
