"""Work on several stacks side by side, with an eye on Ctrl-C and on an engine that does nothing any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from sloth.engine.fan_out import fan_out
from sloth.engine.stop import Stop
from sloth.errors import MachinesError

T = TypeVar("T")
STALL = 1800.0  # seconds without any sign of life; a load balancer takes some clouds ten minutes
LAST = 20.0  # seconds that the engine gets to stop after the second interrupt


class Interruptible(Protocol):
    """The engine's command, as this module needs it."""

    def interrupt(self) -> None:
        """Ask every running CLI to stop."""

    def end(self, patience: float) -> None:
        """Have every running CLI end within so many seconds, by force at last."""


class Pulse:
    """When the engine last said something."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        """It said something."""
        self._at = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self._at


def supervise(
    jobs: Mapping[str, Callable[[], T]],
    command: Interruptible,
    stop: Stop,
    *,
    title: str,
    pulse: Pulse,
    stall: float = STALL,
    width: int = 8,
) -> dict[str, T]:
    """Do all jobs side by side and answer in their order.

    The first Ctrl-C is passed on once and the jobs end in good order; the second is passed on too, and makes them end now. An
    engine that was silent for `stall` seconds is told to stop, and after that ended. Raises what the jobs raise,
    Interrupted, or MachinesError where the engine was ended for its silence.
    """
    pulse.beat()  # an engine that had nothing to do until now was not silent
    guard = _Guard(command, stop, pulse, stall)
    guard.start()
    try:
        return fan_out(jobs, title=title, stop=stop, width=width)  # type: ignore[return-value]  # failures were raised
    except KeyboardInterrupt:
        command.end(LAST)
        raise
    except Exception as error:
        if guard.stalled and not stop.requested:
            raise _stalled(title, stall, error) from error
        raise
    finally:
        guard.over.set()
        guard.join()


class _Guard(threading.Thread):
    def __init__(self, command: Interruptible, stop: Stop, pulse: Pulse, stall: float) -> None:
        super().__init__(name="engine-guard", daemon=True)
        self._command, self._stop_token, self._pulse, self._stall = command, stop, pulse, stall
        self.over = threading.Event()
        self.stalled = False

    def run(self) -> None:
        told = False
        while not self.over.wait(0.1):
            if self._stop_token.requested and not told:
                told = True
                self._command.interrupt()
            self.stalled = self._pulse.silence > self._stall
            if self._stop_token.insisted or self.stalled:
                self._command.end(LAST)
                return


def _stalled(title: str, stall: float, error: Exception) -> MachinesError:
    return MachinesError(
        "engine/stalled",
        f"{title}: the engine said nothing for {stall / 60:.0f} minutes and was stopped",
        detail=str(error),
        hint="sloth up goes on where it stopped",
    )
