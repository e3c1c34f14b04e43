"""SSH keys as text: new ed25519 pairs, fingerprints, lines of known_hosts. `cryptography` does the work."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from sloth.errors import ConfigError
from sloth.model.secret import Secret


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A private key in OpenSSH format, and its public line (`ssh-ed25519 AAAA… comment`)."""

    private: Secret
    public: str


def new_pair(comment: str = "") -> KeyPair:
    """A new ed25519 pair from the system's randomness."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private=Secret(private.decode()), public=f"{public.decode()} {comment}".strip())


def public_line(private: Secret) -> str:
    """The public line that belongs to an unencrypted private key in OpenSSH format. Raises ConfigError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_ssh_private_key(private.reveal().encode(), password=None)
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise ConfigError(
            "ssh/key-unreadable",
            "a private SSH key cannot be read",
            detail=str(cause),
            hint="give an unencrypted key in OpenSSH format (ssh-keygen -t ed25519), or load it into an SSH agent",
        ) from cause
    return public.decode()


def bare(line: str) -> str:
    """A public key without its comment, so that lines compare: `type base64`."""
    return " ".join(line.split()[:2])


def fingerprint(line: str) -> str:
    """`SHA256:…` as OpenSSH prints it (base64 without padding). A fingerprint is its own. Raises ConfigError."""
    if line.startswith("SHA256:"):
        return line.strip().rstrip("=")
    try:
        blob = base64.b64decode(line.split()[1], validate=True)
    except (IndexError, ValueError) as cause:
        raise ConfigError(
            "ssh/public-key-malformed",
            f"not a public SSH key: {line[:60]!r}",
            hint="write it as in a .pub file: `ssh-ed25519 AAAA…`, or as a fingerprint: `SHA256:…`",
        ) from cause
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def host_pattern(address: str, port: int = 22) -> str:
    """How known_hosts writes a host: the bare address on port 22, `[address]:port` otherwise (sshd(8))."""
    return address if port == 22 else f"[{address}]:{port}"


def known_hosts(address: str, keys: tuple[str, ...], port: int = 22) -> str:
    """Lines for a known_hosts file, one for each key; fingerprints cannot be written there and are left out."""
    host = host_pattern(address, port)
    return "".join(f"{host} {bare(key)}\n" for key in keys if not key.startswith("SHA256:"))
