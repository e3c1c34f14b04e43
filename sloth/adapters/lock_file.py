"""One cluster's lock: a file that says who works on it. Its owner renews it; a dead owner's lock is taken over.

flock(2) guards each look-and-change, so that of two processes exactly one wins; the file is what people and other hosts see.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sloth.adapters.durable import create_file, explained, guarded, replace_file
from sloth.adapters.owner import Owner, parse_owner, this_process
from sloth.errors import StateError

HEARTBEAT = 5.0  # seconds
_log = logging.getLogger(__name__)


class LockFile:
    """Taken by `take`, given back by `give_back`, at the latest when the process ends; a second `give_back` does nothing."""

    def __init__(self, folder: Path, cluster: str) -> None:
        self._folder = folder
        self._path = folder / "lock"
        self._cluster = cluster
        self._mine: Owner | None = None
        self._stop = threading.Event()
        self._beating: threading.Thread | None = None
        self.note = ""  # whose lock was taken over, for the user

    def take(self, verb: str) -> None:
        """Lock, or raise StateError (`state/locked`) that says who holds it."""
        with explained(self._folder), self._guarded():
            self._make_way()
            mine = this_process(verb)
            create_file(self._path, mine.as_json())
        self._mine = mine
        self._stop = threading.Event()
        self._beating = threading.Thread(target=self._beat, args=(mine, self._stop), name="lock-heartbeat", daemon=True)
        self._beating.start()
        atexit.register(self.give_back)

    def give_back(self) -> None:
        """Unlock if this process holds the lock. A child of a fork does not."""
        mine = self._forget()
        if mine and self._path.exists():
            with explained(self._folder), self._guarded():
                if mine.same_run(self.holder()):
                    self._path.unlink(missing_ok=True)

    def remove_folder(self, first: Iterable[Path]) -> None:
        """Remove these files, then the folder with all in it, lock included. Raises StateError if another holds the lock."""
        if not self._folder.is_dir():
            return
        self.check()
        mine = self._forget()  # a heartbeat would make the folder again
        with explained(self._folder), self._guarded():
            if mine is None or not mine.same_run(self.holder()):
                self._make_way()
            for path in first:
                path.unlink(missing_ok=True)
            shutil.rmtree(self._folder)

    def _forget(self) -> Owner | None:
        """Stop the heartbeat; says who we were, if we held the lock."""
        mine, self._mine = self._mine, None
        if mine is None or mine.pid != os.getpid():
            return None
        self._stop.set()
        if self._beating:
            self._beating.join()
        atexit.unregister(self.give_back)
        return mine

    def break_open(self) -> None:
        """Take away the lock of an owner who is gone. Raises StateError while the owner lives."""
        if not self._path.exists():
            return
        with explained(self._folder), self._guarded():
            held = self.holder()
            if held and held.state() == "alive":
                raise StateError(
                    "state/owner-alive",
                    f"{self._cluster} stays locked: {held.in_words()} is at work",
                    where=str(self._path),
                    hint="wait for it to end, or stop it with Ctrl-C where it runs",
                )
            self._path.unlink(missing_ok=True)

    @property
    def verb(self) -> str:
        """The verb that this process holds the lock for; empty if it does not."""
        return self._mine.verb if self._mine else ""

    def holder(self) -> Owner | None:
        """Who holds the lock, alive or not."""
        try:
            return parse_owner(self._path.read_bytes())
        except OSError:
            return None

    def check(self) -> None:
        """Raise StateError (`state/lock-lost`) if we took the lock and it was taken from us since."""
        if self._mine and not self._mine.same_run(held := self.holder()):
            raise StateError(
                "state/lock-lost",
                f"the lock of {self._cluster} was taken away during this run"
                + (f"; now {held.in_words()} has it" if held else ""),
                where=str(self._path),
                hint="run the same command again when nobody else works on the cluster",
            )

    def _make_way(self) -> None:
        """Remove a lock whose owner is dead. Raises StateError if the owner is not."""
        held = self.holder()
        if held and held.state() != "dead":
            age = max(0.0, time.time() - held.since)
            raise StateError(
                "state/locked",
                f"{self._cluster} is being worked on by {held.in_words()} for {age:.0f} s",
                where=str(self._path),
                hint="wait for it to end; if it died: sloth unlock",
            )
        if held:
            self.note = f"took over the lock of {held.in_words()}, which died"
            _log.warning("%s: %s", self._cluster, self.note)
        self._path.unlink(missing_ok=True)

    def _beat(self, mine: Owner, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT):
            try:
                with self._guarded():
                    if not mine.same_run(self.holder()):
                        _log.error("%s: the lock was taken away", self._cluster)
                        return
                    replace_file(self._path, replace(mine, heartbeat=time.time()).as_json())
            except OSError:
                _log.warning("%s: the lock's heartbeat could not be written", self._cluster, exc_info=True)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with guarded(self._folder / "guard"):
            yield
