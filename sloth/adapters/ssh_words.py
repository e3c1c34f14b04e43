"""What a failed attempt to connect means: whether waiting can help, and what to tell the user in the end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sloth.errors import ConnectError
from sloth.model.node import Login

Kind = Literal["boot", "auth", "final"]


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One failed attempt, understood."""

    kind: Kind
    error: ConnectError

    def patience(self, total: float, auth: float) -> float:
        """For how many seconds after the first try it makes sense to go on.

        A machine that boots refuses or ignores connections, so these are tried again. It may also answer before it knows our
        key: sshd of some images starts before cloud-init has written authorized_keys. So a refused log-in is tried again,
        too, but not for long: on a machine that is up, it is final.
        """
        return {"boot": total, "auth": auth, "final": 0.0}[self.kind]

    def final(self, tries: int, seconds: float) -> ConnectError:
        """The error, with the effort that was made."""
        if self.kind != "final":
            self.error.detail += f"\ntried {tries} times in {seconds:.0f} s"
        return self.error


def explain(cause: Exception, login: Login) -> Trouble:
    """Translate what the network or paramiko has raised. What is neither is a defect, and raised again."""
    import paramiko

    meanings: tuple[tuple[tuple[type[Exception], ...], Callable[[Exception, Login], Trouble]], ...] = (
        ((paramiko.AuthenticationException, paramiko.BadAuthenticationType), _auth),
        ((paramiko.ChannelException,), _bastion),
        ((paramiko.ssh_exception.IncompatiblePeer,), _incompatible),
        ((socket.gaierror,), _unknown_name),
        ((ConnectionRefusedError,), _refused),
        ((paramiko.SSHException, EOFError, ConnectionResetError, BrokenPipeError), _silent),
        ((OSError,), _unreachable),
    )
    for kinds, meaning in meanings:
        if isinstance(cause, kinds):
            return meaning(cause, login)
    raise cause


def _at(login: Login) -> str:
    via = f" through {login.bastion.node}" if login.bastion else ""
    return f"{login.address} port {login.port}{via}"


def _auth(cause: Exception, login: Login) -> Trouble:
    error = ConnectError(
        "connect/auth-refused",
        f"{login.node}: {_at(login)} does not let {login.user} in",
        detail=str(cause),
        where=login.node,
        hint=f"put the public key into ~{login.user}/.ssh/authorized_keys on {login.node}, or set the right user and key",
    )
    return Trouble(kind="auth", error=error)


def _bastion(cause: Exception, login: Login) -> Trouble:
    """RFC 4254, 5.1: reason 1 is 'administratively prohibited', 2 is 'connect failed'."""
    code = getattr(cause, "code", 0)
    if code == 1:
        bastion = login.bastion.node if login.bastion else ""
        error = ConnectError(
            "connect/bastion-forbids",
            f"{login.node}: {bastion} does not forward connections",
            detail=str(cause),
            where=login.node,
            hint=f"set `AllowTcpForwarding yes` in /etc/ssh/sshd_config on {bastion} and reload sshd",
        )
        return Trouble(kind="final", error=error)
    return _unreachable(cause, login)


def _incompatible(cause: Exception, login: Login) -> Trouble:
    error = ConnectError(
        "connect/incompatible",
        f"{login.node}: the SSH server at {_at(login)} has no algorithm in common with sloth",
        detail=str(cause),
        where=login.node,
        hint="update the SSH server; OpenSSH 6.7 or newer with its default algorithms is enough",
    )
    return Trouble(kind="final", error=error)


def _unknown_name(cause: Exception, login: Login) -> Trouble:
    error = ConnectError(
        "connect/unknown-name",
        f"{login.node}: the name {login.address} cannot be resolved",
        detail=str(cause),
        where=login.node,
        hint=f"getent hosts {login.address}",
    )
    return Trouble(kind="boot" if getattr(cause, "errno", 0) == socket.EAI_AGAIN else "final", error=error)


def _refused(cause: Exception, login: Login) -> Trouble:
    error = ConnectError(
        "connect/refused",
        f"{login.node}: nothing listens at {_at(login)}",
        detail=str(cause),
        where=login.node,
        hint=f"on {login.node}: systemctl status ssh",
    )
    return Trouble(kind="boot", error=error)


def _silent(cause: Exception, login: Login) -> Trouble:
    error = ConnectError(
        "connect/no-banner",
        f"{login.node}: {_at(login)} accepts connections but does not speak SSH to the end",
        detail=str(cause) or type(cause).__name__,
        where=login.node,
        hint=f"on {login.node}: journalctl -u ssh -n 50 (overloaded, still starting, or another service on that port)",
    )
    return Trouble(kind="boot", error=error)


def _unreachable(cause: Exception, login: Login) -> Trouble:
    error = ConnectError(
        "connect/unreachable",
        f"{login.node}: {_at(login)} does not answer",
        detail=str(cause) or type(cause).__name__,
        where=login.node,
        hint=f"check that the machine runs and that a firewall lets this machine reach it: nc -vz {login.address} {login.port}",
    )
    return Trouble(kind="boot", error=error)
