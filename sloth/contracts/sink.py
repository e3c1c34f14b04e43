"""Who listens to events."""

from __future__ import annotations

from typing import Protocol

from sloth.model.event import Event


class Sink(Protocol):
    """A view, a log file, a recorder."""

    def take(self, event: Event) -> None:
        """Receive one event. Called from one thread only, in order."""

    def close(self) -> None:
        """No more events will come."""
