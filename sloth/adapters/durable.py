"""Files that survive a crash at any moment: written aside, synced, renamed; looked at and changed under flock(2)."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sloth.adapters.paths import private
from sloth.errors import StateError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_aside(path: Path, data: bytes) -> Path:
    """A new file beside `path`, mode 0600, with this content on the disk. Raises OSError and leaves nothing then."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return aside


def replace_file(path: Path, data: bytes) -> None:
    """Have `path` hold this, or be as it was. Raises OSError."""
    aside = write_aside(path, data)
    try:
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def create_file(path: Path, data: bytes) -> None:
    """Make `path` with this content, complete from its first moment. Raises FileExistsError, OSError."""
    aside = write_aside(path, data)
    try:
        os.link(aside, path)  # unlike a rename, this fails if the name is taken
    except FileExistsError:
        raise
    except OSError:  # no hard links here
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(data)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def keep_copy(path: Path, copy: Path) -> None:
    """Have `copy` hold what `path` holds: a hard link where the file system knows them. Raises OSError."""
    copy.unlink(missing_ok=True)
    try:
        os.link(path, copy)
    except OSError:
        replace_file(copy, path.read_bytes())


def sync_folder(folder: Path) -> None:
    """Have renames in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Hold flock(2) on `path`, made if missing with its folder. If it was deleted while we waited, a new one is taken."""
    while True:
        private(path.parent)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # the folder was deleted in between
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_still(path, handle):
                yield
                return
        finally:
            os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into StateErrors: `state/disk-full`, `state/not-writable`."""
    try:
        yield
    except OSError as error:
        about = f"{error.strerror or error}: {error.filename or folder}"
        if error.errno in _FULL:
            raise StateError(
                "state/disk-full",
                f"there is no space left to save in {folder}; what was saved before is intact",
                detail=about, where=str(folder), hint=f"df -h {folder}",
            ) from error  # fmt: skip
        raise StateError(
            "state/not-writable", f"{folder} cannot be written", detail=about, where=str(folder), hint=f"ls -ld {folder}"
        ) from error
