"""How steps reach a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sloth.model.node import Login
from sloth.model.step import Result, Step


class Session(Protocol):
    """One kept connection to one node."""

    def run(self, steps: Sequence[Step]) -> Sequence[Result]:
        """Carry the steps out in order, in one round trip, stopping after the first that fails.

        Returns one Result for each step that was begun; a failed step's Result is the last. Raises ConnectError when the
        node cannot be reached or is not who it should be.
        """

    def close(self) -> None:
        """End the connection; no error if it is gone."""


class Transport(Protocol):
    """Makes sessions."""

    def open(self, login: Login) -> Session:
        """Connect, verifying the host key. Raises ConnectError."""
