"""Work for many nodes side by side: threads, because paramiko is synchronous; failures are gathered, not the first one raised."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from sloth.engine.stop import Stop
from sloth.errors import Interrupted, raise_all

T = TypeVar("T")


def fan_out(
    work: Mapping[str, Callable[[], T]],
    *,
    title: str,
    stop: Stop,
    width: int = 64,
    gather: bool = False,
) -> dict[str, T | Exception]:
    """Do all of `work`, at most `width` at once; answers in the order of `work`.

    All are finished before a failure is raised: one as itself, several as ManyErrors. With `gather` the failures are among
    the answers instead. Once the end is asked for, nothing more is begun, and Interrupted is raised when the rest is done.
    """
    crew = _Crew(work, stop)
    answers = crew.run(width)
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, Exception)}
    if stop.requested and (len(answers) < len(work) or any(isinstance(error, Interrupted) for error in errors.values())):
        failed = [f"{name}: {error}" for name, error in errors.items() if not isinstance(error, Interrupted)]
        raise stop.error("\n".join(failed))
    if not gather:
        raise_all(title, list(errors.values()))
    return {name: answers[name] for name in work}


class _Crew(Generic[T]):
    """Daemon threads: a second Ctrl-C must not wait for them. (A ThreadPoolExecutor's are joined at exit, always.)"""

    def __init__(self, work: Mapping[str, Callable[[], T]], stop: Stop) -> None:
        self._work = work
        self._todo = deque(work)
        self._stop = stop
        self._answers: dict[str, T | Exception] = {}
        self._lock = threading.Lock()
        self._at_work = 0
        self._over = threading.Event()

    def run(self, width: int) -> dict[str, T | Exception]:
        if not self._work:
            return {}
        members = max(1, min(width, len(self._work)))
        self._at_work = members
        for number in range(members):
            threading.Thread(target=self._member, name=f"fan-out-{number}", daemon=True).start()
        while True:
            try:
                # Signal handlers run while this waits, and what they raise ends the waiting; a signal that the system
                # gave to another thread is noticed at the next look. No answer is in this thread's hands to be lost.
                if self._over.wait(0.5):
                    return self._answers
            except KeyboardInterrupt:
                if self._stop.requested:
                    raise
                self._stop.request()

    def _member(self) -> None:
        try:
            while not self._stop.requested:
                try:
                    name = self._todo.popleft()
                except IndexError:
                    break
                self._answers[name] = self._one(self._work[name])
        finally:
            with self._lock:
                self._at_work -= 1
                if not self._at_work:
                    self._over.set()

    @staticmethod
    def _one(job: Callable[[], T]) -> T | Exception:
        try:
            return job()
        except Exception as error:  # gathered: fan_out raises it in the main thread
            return error
