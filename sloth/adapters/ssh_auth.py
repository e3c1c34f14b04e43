"""Logging in: which private keys are tried, in which order. Keys are parsed once and shared by all connections."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.errors import ConnectError
from sloth.model.node import Login
from sloth.model.secret import Secret

if TYPE_CHECKING:
    import paramiko

    from sloth.adapters.ssh_wire import Wire

log = logging.getLogger(__name__)

_AUTH_TIMEOUT = 20.0  # seconds for one key


class Encrypted(Exception):
    """The key file needs a passphrase; an agent may hold the key."""


def authenticate(wire: Wire, login: Login) -> None:
    """Log in with the first key that is taken. Raises paramiko.AuthenticationException, ConnectError if there is no key."""
    import paramiko

    wire.auth_timeout = _AUTH_TIMEOUT
    refused: paramiko.AuthenticationException | None = None
    with contextlib.closing(_identities(login)) as identities:
        for key in identities:
            try:
                wire.auth_publickey(login.user, key)
            except paramiko.AuthenticationException as cause:
                if not wire.is_active():  # the host has had enough (MaxAuthTries)
                    raise
                refused = cause
            else:
                return
    raise refused or _no_key(login, "no key is given, and no SSH agent answers")


def _identities(login: Login) -> Generator[paramiko.PKey, None, None]:
    import paramiko

    if login.key is not None:
        yield _from_memory(login.key, login)
        return
    if login.key_file:
        try:
            yield _from_file(login)
        except Encrypted:
            log.debug("%s: %s is encrypted, asking the agent", login.node, login.key_file)
        else:
            return
    with contextlib.closing(paramiko.Agent()) as agent:
        keys = agent.get_keys()
        if login.key_file and not keys:
            raise _no_key(login, f"{login.key_file} needs a passphrase, and no SSH agent holds it")
        yield from keys


def _from_memory(key: Secret, login: Login) -> paramiko.PKey:
    try:
        return parse(key, login.node)
    except Encrypted as cause:
        raise _no_key(login, "the given private key needs a passphrase") from cause


def _from_file(login: Login) -> paramiko.PKey:
    try:
        text = Path(login.key_file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise _no_key(login, f"{login.key_file}: {cause}") from cause
    return parse(Secret(text), login.node)


@lru_cache(maxsize=64)
def parse(private: Secret, node: str = "") -> paramiko.PKey:
    """The private key in this text. Raises Encrypted, or ConnectError when no supported kind of key is in it."""
    import paramiko

    reasons = []
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(private.reveal()))
        except paramiko.PasswordRequiredException as cause:
            raise Encrypted from cause
        except (paramiko.SSHException, ValueError, IndexError, AssertionError) as cause:
            reasons.append(f"{kind.__name__}: {cause}")
    raise ConnectError(
        "connect/key-unreadable",
        f"{node}: the private SSH key cannot be read",
        detail="\n".join(reasons),
        where=node,
        hint="give an ed25519, ECDSA or RSA private key in OpenSSH format (ssh-keygen -t ed25519)",
    )


def _no_key(login: Login, detail: str) -> ConnectError:
    return ConnectError(
        "connect/no-key",
        f"{login.node}: there is no private key to log in with as {login.user}",
        detail=detail,
        where=login.node,
        hint=f"ssh-add {login.key_file}".strip(),
    )
