"""Talks to the Kubernetes API in a rehearsal: what would change something is asked for as a dry run, which the server judges.

Source: kubernetes.io, "Kubernetes API Concepts", "Dry-run": every verb that changes something takes `dryRun=All`; nothing is
stored, and the answer is as it would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sloth.contracts.api import ApiSession, ApiTransport, Door, Talk
from sloth.engine.relay import relayed
from sloth.model.secret import Secret

T = TypeVar("T")
_DRY = ("dryRun", "All")
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class RehearsalApi:
    """Makes sessions that change nothing."""

    def __init__(self, real: ApiTransport) -> None:
        self._real = real

    def open(self, kubeconfig: Secret, doors: Sequence[Door]) -> ApiSession:
        """As the real one does."""
        return RehearsalTalks(self._real.open(kubeconfig, doors))


class RehearsalTalks:
    """One such session."""

    def __init__(self, real: ApiSession) -> None:
        self._real = real

    def run(self, talk: Talk[T]) -> T:
        """What the talk returns. Raises what it raises, refusals of the server among them."""
        return self._real.run(lambda api: relayed(talk(api), _dry))

    def close(self) -> None:
        """End the real one."""
        self._real.close()


def _dry(wanted: Any) -> Any:
    if isinstance(wanted, tuple):
        return tuple(map(_dry, wanted))
    if getattr(wanted, "method", "") not in _CHANGING or _DRY in wanted.query:
        return wanted
    return replace(wanted, query=(*wanted.query, _DRY))
