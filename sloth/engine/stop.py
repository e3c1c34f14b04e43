"""The wish to stop: set by the first Ctrl-C, seen by everything that is about to begin something new."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sloth.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """One token for a whole run, shared by all its threads."""

    def __init__(self, verb: str = "up") -> None:
        """`verb` is what the user types to go on later."""
        self.verb = verb
        self._event = threading.Event()
        self.insisted = False  # the second Ctrl-C has come: not even what is in hand is finished

    @property
    def requested(self) -> bool:
        """Whether somebody wants the run to end."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask for the end: what is being done is finished, nothing new is begun."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Sleep, but wake up at once when the end is asked for."""
        self._event.wait(seconds)

    def error(self, detail: str = "") -> Interrupted:
        """The failure that an asked-for end becomes."""
        return Interrupted(
            "run/interrupted",
            "interrupted: the steps in hand were finished, no other was begun",
            detail=detail,
            hint=f"sloth {self.verb}",
        )

    def check(self) -> None:
        """Raise Interrupted if the end was asked for."""
        if self.requested:
            raise self.error()

    @contextmanager
    def on_signals(self, say: Callable[[], None]) -> Iterator[None]:
        """Within: the first SIGINT or SIGTERM only asks for the end (and calls `say`), the second raises KeyboardInterrupt.

        Does nothing outside of the main thread, which alone may set signal handlers.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def heard(_number: int, _frame: FrameType | None) -> None:
            if self.requested:
                self.insisted = True
                raise KeyboardInterrupt
            self.request()
            say()

        before = {number: signal.signal(number, heard) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
