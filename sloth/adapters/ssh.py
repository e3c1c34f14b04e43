"""The SSH transport: sessions that carry batches of steps out, each batch in one round trip."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence

from sloth.adapters.ssh_connect import Connector, Patience
from sloth.adapters.ssh_exchange import Exchange, Flood, Lost, Outcome, Overdue
from sloth.adapters.ssh_lost import flooded, lost, overdue, refused_sudo
from sloth.adapters.ssh_upload import as_step, is_absent, pieces, receiver
from sloth.engine import shell
from sloth.model.node import Login
from sloth.model.step import Ask, Result, Step, Upload, Wait

_GRACE = 90.0  # seconds for a batch beyond the sum of its steps' own times: the node ends overdue steps, this ends a hung node
_LOCK = 300.0  # seconds that a batch may wait for an earlier one
_DIAGNOSIS = 30.0  # seconds for the diagnosis after a `Wait`


class SshSession:
    """One kept connection to one node, with the host key verified. Not for several threads at once."""

    def __init__(self, login: Login, connector: Connector) -> None:
        """Connect. Raises ConnectError."""
        self._login = login
        self._connector = connector
        self.round_trips = 0  # commands sent to the node
        self._wire = connector.connect(login)
        self._open = True

    def run(self, steps: Sequence[Step]) -> Sequence[Result]:
        """Carry the steps out in order, stopping after the first that fails: one round trip, and one or two for each file sent.

        Raises ConnectError, or StepError for a node that does not keep to the limits of time and output.
        """
        done: list[Result] = []
        while len(done) < len(steps):
            done += self._batch([as_step(step) for step in steps[len(done) :]])
            upload = steps[len(done) - 1]
            if not isinstance(upload, Upload) or not is_absent(done[-1]):
                break
            done[-1] = self._send(upload)
            if not done[-1].ok:
                break
        return done

    def close(self) -> None:
        """End the connection; no error if it is gone."""
        if self._open:
            self._open = False
            self._wire.end()
            self._connector.release(self._login)

    def _batch(self, steps: Sequence[Step]) -> list[Result]:
        # Two batches that change things never work on a node at once, even if the first one's connection was lost.
        changes = any(not isinstance(step, (Ask, Wait)) for step in steps)
        program = shell.render(steps, lock=self._login.node if changes else "")
        doing = ", ".join(step.title for step in steps[:3]) + (" …" if len(steps) > 3 else "")
        limit = (2 * len(steps) + 1) * shell.LIMIT
        seconds = sum(map(_seconds, steps)) + (_LOCK if changes else 0.0)
        outcome = self._exchange("sh", iter((program,)), seconds, limit, doing)
        try:
            return shell.parse(steps, outcome.out)
        except shell.Truncated as cause:
            if self._login.sudo and outcome.err.startswith(b"sudo:"):
                raise refused_sudo(self._login, outcome.err) from cause
            raise lost(
                self._login,
                steps[max(cause.begun, 1) - 1].title,
                f"the shell there ended early, with {outcome.exit}",
                outcome.err,
            ) from cause

    def _send(self, step: Upload) -> Result:
        """Send the file; it appears under its name only when its digest is right."""
        if not os.access(step.source, os.R_OK):
            return Result(exit=66, err=f"{step.source} on this machine cannot be read")
        command = f"sh -c {shlex.quote(receiver(step))}"
        outcome = self._exchange(command, pieces(step.source), step.timeout, shell.LIMIT, step.title)
        return Result(exit=outcome.exit, err=outcome.err.decode(errors="replace").rstrip("\n"), changed=True)

    def _exchange(self, command: str, source: Iterator[bytes], seconds: float, limit: int, doing: str) -> Outcome:
        exchange = Exchange(self._wire, timeout=seconds + _GRACE, limit=limit)
        self.round_trips += 1
        try:
            return exchange.run(f"sudo -n {command}" if self._login.sudo else command, source)
        except Lost as cause:
            raise lost(self._login, doing, str(cause), exchange.err) from cause
        except Overdue as cause:
            raise overdue(self._login, doing, seconds + _GRACE, exchange.err) from cause
        except Flood as cause:
            raise flooded(self._login, doing, limit) from cause


class SshTransport:
    """Makes sessions over SSH. One for a whole run, shared by all threads; nothing to close but the sessions."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._connector = Connector(patience or Patience())

    def open(self, login: Login) -> SshSession:
        """Connect, verifying the host key; waits for machines that are still booting. Raises ConnectError."""
        return SshSession(login, self._connector)


def interactive(login: Login, command: str = "", patience: Patience | None = None) -> int:
    """Give the user's terminal a login shell, or run a command (shell text) there; returns its exit code. Raises ConnectError."""
    from sloth.adapters.ssh_interactive import interact

    connector = Connector(patience or Patience())
    wire = connector.connect(login)
    try:
        return interact(wire, login, command)
    finally:
        wire.end()
        connector.release(login)


def _seconds(step: Step) -> float:
    return step.timeout + (_DIAGNOSIS if isinstance(step, Wait) else 0.0)
