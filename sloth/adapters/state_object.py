"""Records on an object store, encrypted, laid out as in a directory: replaced only if they are still what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sloth.adapters.crypt import Keys
from sloth.adapters.keeper import KEPT, Keeper
from sloth.adapters.object_lock import ObjectLock
from sloth.adapters.object_store import Conflict, Found, ObjectStore
from sloth.adapters.paths import cluster_dir
from sloth.adapters.vault import Vault
from sloth.errors import StateError


class StateObject(Keeper):
    """`sloth.contracts.state.Kept` in a bucket. `data` = sloth's own directory on this machine.

    Raises UsageError for what cannot be a cluster's name.
    """

    def __init__(self, store: ObjectStore, cluster: str, keys: Callable[[], Keys], data: Path) -> None:
        local = cluster_dir(data, cluster)
        self._store = store
        self._folder = f"clusters/{cluster}"
        self._path = f"{self._folder}/record.sloth"
        self._found: Found | None = None  # what was read last: the only thing that is ever replaced
        self._own_lock = ObjectLock(store, self._folder, cluster)
        super().__init__(Vault(cluster, keys, data / "key"), self._own_lock, store.at(self._path), local)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            yield
        except Conflict as error:
            now = error.now
            raise self._changed(0, "" if now else ", which removed it") from error

    def _read(self) -> bytes | None:
        self._found = self._store.get(self._path)
        return self._found.data if self._found else None

    def _older(self) -> list[int]:
        names = (name.split(".") for name in self._store.names(self._folder))
        return [int(parts[1]) for parts in names if _is_older(parts)]

    def _read_older(self, revision: int) -> bytes | None:
        found = self._store.get(self._path_of(revision))
        return found.data if found else None

    def _path_of(self, revision: int) -> str:
        return f"{self._folder}/record.{revision}.sloth"

    def _undo(self, revision: int) -> str:
        return f"sloth state rollback {revision} --cluster {self._cluster}"

    def _replace(self, blob: bytes, old: int) -> None:
        if self._found:
            # Before the change: of two who save at once, both write the same here, and only one goes on.
            self._store.overwrite(self._path_of(old), self._found.data)
        self._found = self._store.put(self._path, blob, self._found)
        with suppress(StateError):  # it is saved; one object too many is no failure
            self._prune(old)

    def _prune(self, old: int) -> None:
        if old % KEPT == 0:  # now and then also what a run that was cut off has left
            for revision in self._older():
                if revision <= old - KEPT:
                    self._store.delete(self._path_of(revision))
        elif old > KEPT:
            self._store.delete(self._path_of(old - KEPT))

    def _remove(self) -> None:
        if not self._own_lock.verb:
            self._own_lock.take("down")
        self._own_lock.check()
        # older revisions first: if it is killed in between, they must not say that the record was lost
        for revision in sorted(self._older()):
            self._store.delete(self._path_of(revision))
        self._store.delete(self._path)
        self._own_lock.drop()


def _is_older(parts: list[str]) -> bool:
    return len(parts) == 3 and parts[0] == "record" and parts[2] == "sloth" and parts[1].isascii() and parts[1].isdigit()


def clusters_in(store: ObjectStore) -> list[str]:
    """Names of all clusters that something is remembered of, sorted. Raises StateError."""
    return [name for name in store.folders("clusters") if any(x.startswith("record") for x in store.names(f"clusters/{name}"))]
