"""The errors of a connection that was good and then was not."""

from __future__ import annotations

from sloth.errors import ConnectError, StepError
from sloth.model.node import Login

_TAIL = 2000  # characters of stderr that go into an error


def _evidence(reason: str, err: bytes) -> str:
    tail = err.decode(errors="replace").rstrip()[-_TAIL:]
    return f"{reason}\n{tail}".rstrip()


def lost(login: Login, doing: str, reason: str, err: bytes = b"") -> ConnectError:
    """The connection ended while something was running; what was running may or may not have happened."""
    return ConnectError(
        "connect/lost",
        f"{login.node}: the connection was lost during: {doing}",
        detail=_evidence(reason, err),
        where=login.node,
        hint="run the same command again: what was done already is found and left alone",
    )


def overdue(login: Login, doing: str, seconds: float, err: bytes) -> StepError:
    """The steps were to stop by themselves, and did not."""
    return StepError(
        "step/overdue",
        f"{login.node}: not done after {seconds:.0f} s: {doing}",
        detail=_evidence("", err),
        where=login.node,
        hint=f"see what hangs there: sloth ssh {login.node} -- ps axf",
    )


def flooded(login: Login, doing: str, limit: int) -> StepError:
    """An output that would fill this machine's memory."""
    return StepError(
        "step/too-much-output",
        f"{login.node}: more than {limit >> 20} MiB of output from: {doing}",
        where=login.node,
        hint=f"look at what it prints: sloth ssh {login.node}",
    )


def refused_sudo(login: Login, err: bytes) -> ConnectError:
    """`sudo -n` wants a password, or does not know the user."""
    return ConnectError(
        "connect/sudo-refused",
        f"{login.node}: {login.user} may not use sudo without a password",
        detail=_evidence("", err),
        where=login.node,
        hint=f"as root on {login.node}: echo '{login.user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{login.user}",
    )
