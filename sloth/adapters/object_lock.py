"""One cluster's lock on an object store: an object that says who works on it, written only over what was read before.

Its owner renews it. Whether an owner elsewhere is still alive is told by the age of the object on the store's own clock, so
that no two hosts' clocks are ever compared; an owner on this host is looked at. The object is never deleted while the cluster
lives, because a store cannot delete on a condition: a free lock is an object that names nobody.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from dataclasses import replace

from sloth.adapters import owner
from sloth.adapters.object_store import Conflict, Found, ObjectStore
from sloth.adapters.owner import Owner, parse_owner, this_process
from sloth.errors import StateError

HEARTBEAT = 10.0  # seconds
_FREE = b"{}"
_TRIES = 3  # when others are quicker; then they hold it
_log = logging.getLogger(__name__)


class ObjectLock:
    """Taken by `take`, given back by `give_back`, at the latest when the process ends; a second `give_back` does nothing."""

    def __init__(self, store: ObjectStore, folder: str, cluster: str) -> None:
        self._store = store
        self._path = f"{folder}/lock"
        self._clock = f"{folder}/clock"
        self._cluster = cluster
        self._mine: Owner | None = None
        self._object: Found | None = None  # the lock as we wrote it last
        self._stop = threading.Event()
        self._beating: threading.Thread | None = None
        self.note = ""  # whose lock was taken over, for the user

    @property
    def verb(self) -> str:
        """The verb that this process holds the lock for; empty if it does not."""
        return self._mine.verb if self._mine else ""

    def take(self, verb: str) -> None:
        """Lock, or raise StateError (`state/locked`) that says who holds it."""
        mine = this_process(verb)
        for _ in range(_TRIES):
            found = self._store.get(self._path)
            dead = self._refuse_living(found)
            try:
                self._object = self._store.put(self._path, mine.as_json(), found)
            except Conflict:
                continue
            self.note = f"took over the lock of {dead.in_words()}, which died" if dead else ""
            if dead:
                _log.warning("%s: %s", self._cluster, self.note)
            return self._begin(mine)
        raise self._locked("others, who take and give it back all the time", 0)

    def give_back(self) -> None:
        """Unlock if this process holds the lock. A child of a fork does not."""
        mine, self._mine = self._mine, None
        if mine is None or mine.pid != os.getpid():
            return
        self._halt()
        for _ in range(_TRIES):
            try:
                self._store.put(self._path, _FREE + _unique(mine), self._object)
            except Conflict as conflict:
                if conflict.now and mine.same_run(parse_owner(conflict.now.data)):
                    self._object = conflict.now  # a heartbeat that the store had put off
                    continue
                _log.warning("%s: the lock was not ours any more when it was to be given back", self._cluster)
            return

    def _at_exit(self) -> None:
        """The last chance; a store that does not answer then leaves a lock that is taken over as that of any dead owner."""
        try:
            self.give_back()
        except StateError as error:
            _log.warning("%s: the lock could not be given back: %s", self._cluster, error)

    def drop(self) -> None:
        """Remove the lock itself, after everything that it guards. Only for the holder. Raises StateError."""
        self.check()
        self._mine = None
        self._halt()
        self._store.delete(self._clock)
        self._store.delete(self._path)

    def break_open(self) -> None:
        """Take away the lock of an owner who is gone. Raises StateError while the owner lives."""
        for _ in range(_TRIES):
            found = self._store.get(self._path)
            held = parse_owner(found.data) if found else None
            if held is None or found is None:
                return
            if self._alive(held, found):
                raise StateError(
                    "state/owner-alive",
                    f"{self._cluster} stays locked: {held.in_words()} is at work",
                    where=self._store.at(self._path),
                    hint="wait for it to end, or stop it with Ctrl-C where it runs",
                )
            try:
                self._store.put(self._path, _FREE + _unique(this_process("unlock")), found)
            except Conflict:
                continue  # it was renewed or taken over meanwhile: look again
            return

    def holder(self) -> Owner | None:
        """Who holds the lock, alive or not."""
        found = self._store.get(self._path)
        return parse_owner(found.data) if found else None

    def check(self) -> None:
        """Raise StateError (`state/lock-lost`) if we took the lock and it was taken from us since."""
        if self._mine and not self._mine.same_run(held := self.holder()):
            raise StateError(
                "state/lock-lost",
                f"the lock of {self._cluster} was taken away during this run"
                + (f"; now {held.in_words()} has it" if held else ""),
                where=self._store.at(self._path),
                hint="run the same command again when nobody else works on the cluster",
            )

    def _refuse_living(self, found: Found | None) -> Owner | None:
        """The dead owner of the lock, if it has one. Raises StateError if the owner lives."""
        held = parse_owner(found.data) if found else None
        if held and found and self._alive(held, found):
            raise self._locked(held.in_words(), max(0.0, time.time() - held.since))
        return held

    def _alive(self, held: Owner, found: Found) -> bool:
        if seen := held.seen():
            return seen == "alive"
        return self._store.clock(self._clock) - found.written <= owner.EXPIRY

    def _locked(self, words: str, age: float) -> StateError:
        return StateError(
            "state/locked",
            f"{self._cluster} is being worked on by {words}" + (f" for {age:.0f} s" if age else ""),
            where=self._store.at(self._path),
            hint="wait for it to end; if it died: sloth unlock",
        )

    def _begin(self, mine: Owner) -> None:
        self._mine = mine
        self._stop = threading.Event()
        self._beating = threading.Thread(target=self._beat, args=(mine, self._stop), name="lock-heartbeat", daemon=True)
        self._beating.start()
        atexit.register(self._at_exit)

    def _halt(self) -> None:
        self._stop.set()
        if self._beating:
            self._beating.join()
        atexit.unregister(self._at_exit)

    def _beat(self, mine: Owner, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT):
            try:
                self._object = self._store.put(self._path, replace(mine, heartbeat=time.time()).as_json(), self._object)
            except Conflict as conflict:
                if not (conflict.now and mine.same_run(parse_owner(conflict.now.data))):
                    _log.error("%s: the lock was taken away", self._cluster)
                    return
                self._object = conflict.now  # an earlier heartbeat, whose answer was lost
            except StateError as error:
                _log.warning("%s: the lock's heartbeat could not be written: %s", self._cluster, error)


def _unique(mine: Owner) -> bytes:
    """Makes each free lock another one, so that whoever wrote it knows it again."""
    return f"\n\n{mine.pid} {time.time_ns()} {os.urandom(6).hex()}".encode()
