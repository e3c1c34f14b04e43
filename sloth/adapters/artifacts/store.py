"""A content-addressed store: what is in it has the SHA-256 that it is named after.

    blobs/AB/ABCD…   content, made by rename, never changed; its time is set to a fixed one after its digest was taken,
                     so that a blob written to in place (through a hard link, say) is noticed without reading it
    keys/KEY         name of the blob that a recipe gave
    tmp/…            work in progress; what a killed process left is removed by the next one

Several processes may use one store at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sloth.adapters.artifacts.oci import replacing
from sloth.errors import MachinesError

log = logging.getLogger(__name__)
_VERIFIED = 1_000_000_000  # seconds since 1970: the time of a blob whose digest was taken
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One blob of the store."""

    sha256: str
    size: int  # bytes
    path: Path


class Store:
    """A store in one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        for name in ("blobs", "keys", "tmp", "locks"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def get(self, sha256: str) -> Stored | None:
        """The blob of that digest, or None. A blob that was changed since it was stored is removed."""
        path = self._path(sha256)
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        if status.st_mtime != _VERIFIED and _digest(path) != sha256:
            log.warning("%s was changed after it was stored: removed", path)
            path.unlink(missing_ok=True)
            return None
        _seal(path)
        return Stored(sha256=sha256, size=status.st_size, path=path)

    def put(self, chunks: Iterable[bytes], *, expect: str = "", what: str = "") -> Stored:
        """Store what comes. Raises MachinesError if its digest is not `expect`; then nothing is kept."""
        with self.scratch() as folder:
            part, digest = folder / "part", hashlib.sha256()
            with part.open("wb") as stream:
                for chunk in chunks:
                    digest.update(chunk)
                    stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            return self._keep(part, digest.hexdigest(), expect, what)

    def adopt(self, path: Path, *, expect: str = "", what: str = "") -> Stored:
        """Move a file of this file system in. Raises MachinesError if its digest is not `expect`."""
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        return self._keep(path, _digest(path), expect, what)

    def _keep(self, path: Path, sha256: str, expect: str, what: str) -> Stored:
        if expect and sha256 != expect:
            raise MachinesError(
                "artifacts/wrong-content",
                f"{what or path.name} has not the content that was promised",
                detail=f"promised: sha256 {expect}\ngot:      sha256 {sha256}",
                hint="run the command again; if it stays so, do not trust where it came from",
            )
        target = self._path(sha256)
        target.parent.mkdir(exist_ok=True)
        size = path.stat().st_size
        path.chmod(0o755)
        os.utime(path, (_VERIFIED, _VERIFIED))
        os.replace(path, target)
        return Stored(sha256=sha256, size=size, path=target)

    def _path(self, sha256: str) -> Path:
        return self._root / "blobs" / sha256[:2] / sha256

    def recall(self, key: str) -> Stored | None:
        """The blob that was remembered under that key, if it is still whole."""
        try:
            return self.get((self._root / "keys" / key).read_text().strip())
        except FileNotFoundError:
            return None

    def remember(self, key: str, blob: Stored) -> None:
        """Have `recall` find this blob under that key."""
        with replacing(self._root / "keys" / key) as stream:
            stream.write(f"{blob.sha256}\n".encode())

    def note(self, key: str, text: str = "") -> str:
        """A small remembered text: with `text` set anew, without it as it is ("" if there is none)."""
        path = self._root / "keys" / key
        if text:
            with replacing(path) as stream:
                stream.write(text.encode())
        return path.read_text() if path.exists() else ""

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold a lock of that name: other processes and threads that want it wait until the block ends."""
        with (self._root / "locks" / name).open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder on the store's file system, gone afterwards; what killed processes left goes too."""
        with self.alone("tmp"):
            self._sweep()
            folder = Path(tempfile.mkdtemp(dir=self._root / "tmp"))
            owner = (folder / ".owner").open("w")
            fcntl.flock(owner, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            owner.close()

    def _sweep(self) -> None:
        """Remove folders whose owner is gone: a process's locks end with it, however it ends."""
        for folder in (self._root / "tmp").iterdir():
            try:
                with (folder / ".owner").open("w") as owner:
                    fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:  # half made, or being removed by its owner
                pass
            shutil.rmtree(folder, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(path: Path) -> None:
    if path.stat().st_mtime != _VERIFIED:
        os.utime(path, (_VERIFIED, _VERIFIED))
