"""Which host keys a login accepts, and what is said when another one is shown. No network here."""

from __future__ import annotations

from collections.abc import Sequence

from sloth.adapters.ssh_keys import bare, fingerprint
from sloth.errors import ConnectError
from sloth.model.node import Login

# Host-key algorithms by the type that a public key line begins with. `ssh-rsa` as an algorithm means SHA-1 and is not offered.
ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}


class Trust:
    """The accepted keys of one login: whole public keys, or their fingerprints."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._keys = frozenset(bare(key) for key in login.host_keys if not key.startswith("SHA256:"))
        self._prints = frozenset(fingerprint(key) for key in login.host_keys)

    def rounds(self) -> Sequence[tuple[str, ...]]:
        """Algorithms to offer, one connection after the other until an accepted key is shown.

        With whole keys one round is enough: offering only the types that are known makes the host show one of these, so a
        host with several key types never fails for showing another one. A fingerprint does not tell its type: each is tried.
        """
        known = {key.split()[0] for key in self._keys}
        first = tuple(name for kind, names in ALGORITHMS.items() if kind in known for name in names)
        bare_prints = self._prints - {fingerprint(key) for key in self._keys}
        rest = [names for kind, names in ALGORITHMS.items() if kind not in known] if bare_prints else []
        return [first, *rest] if first else rest

    def accepts(self, shown: str) -> bool:
        """Whether this is one of the accepted keys."""
        return bare(shown) in self._keys or fingerprint(shown) in self._prints

    def mismatch(self, shown: Sequence[str]) -> ConnectError:
        """The error for a host that has shown these keys instead."""
        login = self._login
        expected = [fingerprint(key) for key in login.host_keys]
        return ConnectError(
            "connect/host-key-mismatch",
            f"{login.node}: the SSH host at {login.address} port {login.port} is not the one that is expected",
            detail=f"expected host key: {', '.join(expected) or 'none is known'}\n"
            f"seen: {', '.join(f'{fingerprint(key)} ({key.split()[0]})' for key in shown) or 'nothing usable'}",
            where=login.node,
            hint=_HINT if expected else _HINT_UNKNOWN,
        )


_HINT = (
    "nothing was sent to it; look at the machine's console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub): "
    "if the seen fingerprint is there, the host was reinstalled and its new key has to be recorded; if not, do not connect"
)
_HINT_UNKNOWN = (
    "compare the seen fingerprint with the machine's console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), "
    "then give it as the host's hostKey"
)
