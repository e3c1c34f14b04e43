"""Records as encrypted files, one folder per cluster: replaced atomically after comparing, never overwritten when unreadable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sloth.adapters.crypt import Keys
from sloth.adapters.durable import explained, guarded, keep_copy, sync_folder, write_aside
from sloth.adapters.keeper import KEPT, Keeper
from sloth.adapters.lock_file import LockFile
from sloth.adapters.paths import cluster_dir, private
from sloth.adapters.vault import Vault


class StateFile(Keeper):
    """`sloth.contracts.state.Kept` in a directory. Raises UsageError for what cannot be a cluster's name.

    `data` = where the generated key and all else of sloth's lies, if not in the same directory.
    """

    def __init__(self, root: Path, cluster: str, keys: Callable[[], Keys], data: Path | None = None) -> None:
        self.folder = cluster_dir(root, cluster)
        self._path = self.folder / "record.sloth"
        vault = Vault(cluster, keys, (data or root) / "key")
        local = cluster_dir(data, cluster) if data and data != root else None
        super().__init__(vault, LockFile(self.folder, cluster), str(self._path), local)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with explained(self.folder), guarded(self.folder / "record.guard"):
            yield

    def _read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error("state/unreadable", f"cannot be read: {error.strerror}", f"ls -l {self._path}") from error

    def _older(self) -> list[int]:
        numbers = (path.name.split(".")[1] for path in self.folder.glob("record.*.sloth"))
        return [int(number) for number in numbers if number.isascii() and number.isdigit()]

    def _read_older(self, revision: int) -> bytes | None:
        try:
            return self._path_of(revision).read_bytes()
        except OSError:
            return None

    def _path_of(self, revision: int) -> Path:
        return self._path.with_name(f"record.{revision}.sloth")

    def _undo(self, revision: int) -> str:
        return f"cp {self._path_of(revision)} {self._path}"

    def _replace(self, blob: bytes, old: int) -> None:
        private(self.folder)
        aside = write_aside(self._path, blob)
        try:
            if old and self._path.exists():
                keep_copy(self._path, self._path_of(old))
            os.replace(aside, self._path)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(self.folder)
        for revision in self._older():
            if not old - KEPT < revision <= old:
                with suppress(OSError):  # it is saved; one file too many is no failure
                    self._path_of(revision).unlink(missing_ok=True)

    def _remove(self) -> None:
        # older revisions first: if it is killed in between, they must not say that the record was lost
        self._lock_file.remove_folder(self._path_of(revision) for revision in sorted(self._older()))

    @property
    def _lock_file(self) -> LockFile:
        assert isinstance(self._lock, LockFile)  # noqa: S101  made above
        return self._lock


def list_clusters(root: Path) -> list[str]:
    """Names of all clusters that something is remembered of, sorted."""
    return sorted({path.parent.name for path in (root / "clusters").glob("*/record*.sloth")})
