"""Sealing a record: AES-256-GCM with everything that identifies it authenticated alongside.

File: one JSON line (the header: schema, cluster, revision, key derivation, salt, nonce), then the ciphertext. The header is
the associated data, so a record cannot pass for another cluster's or another revision. Two further fields of the header only
tell failures apart: `digest` (SHA-256 of all the rest, so that a damaged file is never taken for a wrong passphrase or a
newer schema) and `check` (derived from the passphrase beside the key).

Where the key comes from, field `kdf`: `scrypt` (a passphrase), `hkdf` (a generated key), `kms` (envelope encryption: a random
data key, which lies in the header as a key management service wrapped it; only that service can unwrap it).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from sloth.adapters.passphrase import KEY_PREFIX
from sloth.model.secret import Secret

MAGIC = "sloth-record"
_COST = 1 << 16  # scrypt's N: 64 MiB, about 0.2 s; derived once per run (RFC 7914; OWASP's password storage guidance)
_OLD_COST = 1 << 15  # where the header does not say
_WORST_COST = 1 << 20  # 1 GiB; a header that asks for more is not followed


class Unsealable(Exception):
    """The text is no record, or it is damaged."""


class WrongPassphrase(Unsealable):
    """The record is sealed with another passphrase."""


class Envelope(Protocol):
    """A key management service that wraps data keys, bound to one cluster."""

    name: str  # the address of the key, as users give it

    def fresh(self) -> tuple[bytes, bytes]:
        """A new data key of 32 bytes, and the same wrapped. Raises CredentialsError."""

    def unwrapped(self, wrapped: bytes) -> bytes:
        """That data key. Raises WrongPassphrase if the service's key did not wrap it, or for another cluster."""

    def before(self) -> Secret:
        """The passphrase for a record of the time before this service was in use. Raises CredentialsError."""


Keys = Secret | Envelope


@dataclass(frozen=True)
class Sealed:
    """A sealed record, taken apart but not opened."""

    header: dict[str, Any]
    line: bytes
    body: bytes

    @property
    def generated(self) -> bool:
        """Whether it was sealed with a generated key, not with a passphrase."""
        return self.header.get("kdf") == "hkdf"

    @property
    def service(self) -> str:
        """The address of the key management service's key that it was sealed with; empty if with a passphrase."""
        return str(self.header.get("kms", "")) if self.header.get("kdf") == "kms" else ""


def seal(plain: bytes, keys: Keys, about: dict[str, Any], *, like: Sealed | None = None) -> bytes:
    """Encrypt. `about` is readable and authenticated. With the salt of `like`, its key need not be made again."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    how = _as_before(keys, like) or _anew(keys)
    key, check = _key_and_check(keys, how)
    nonce = os.urandom(12)  # random: fewer than 2^32 records under one key (NIST SP 800-38D)
    header = {"magic": MAGIC, **about, **how, "nonce": _text(nonce), "check": _text(check)}
    body = AESGCM(key).encrypt(nonce, plain, _line(header))
    return _line({**header, "digest": _digest(header, body)}) + body


def _kind(keys: Keys) -> dict[str, Any]:
    if not isinstance(keys, Secret):
        return {"kdf": "kms", "kms": keys.name}
    return {"kdf": "hkdf"} if keys.reveal().startswith(KEY_PREFIX) else {"kdf": "scrypt", "cost": _COST}


def _anew(keys: Keys) -> dict[str, Any]:
    how = {**_kind(keys), "salt": _text(os.urandom(16))}
    if not isinstance(keys, Secret):
        how["wrapped"] = _text(keys.fresh()[1])
    return how


def _as_before(keys: Keys, like: Sealed | None) -> dict[str, Any] | None:
    kind = _kind(keys)
    if like is None or any(like.header.get(name) != value for name, value in kind.items()):
        return None
    return {**kind, **{name: like.header[name] for name in ("salt", "wrapped") if name in like.header}}


def split(blob: bytes) -> Sealed:
    """Header and body. Raises Unsealable, also when the digest tells that something was changed."""
    line, newline, body = blob.partition(b"\n")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unsealable("the header is not readable") from error
    if not newline or not isinstance(header, dict) or header.get("magic") != MAGIC:
        raise Unsealable("it has not the header of a record")
    line += newline
    if "digest" in header:
        digest = header.pop("digest")
        if digest != _digest(header, body) or line != _line({**header, "digest": digest}):
            raise Unsealable("it is not as it was written: cut short or changed")
        line = _line(header)
    return Sealed(header=header, line=line, body=body)


def unseal(sealed: Sealed, keys: Keys) -> bytes:
    """Decrypt. Raises WrongPassphrase, Unsealable when anything was changed, CredentialsError if the service refuses."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        nonce, check = (base64.b64decode(sealed.header[name], validate=True) for name in ("nonce", "check"))
        key, ours = _key_and_check(keys, sealed.header)
        if not hmac.compare_digest(check, ours):
            raise WrongPassphrase("it is sealed with another passphrase")
        return AESGCM(key).decrypt(nonce, sealed.body, sealed.line)
    except (KeyError, ValueError, TypeError, InvalidTag) as error:
        raise Unsealable("the seal does not fit") from error


def _key_and_check(keys: Keys, header: dict[str, Any]) -> tuple[bytes, bytes]:
    """The key, and a value that tells a wrong passphrase from a damaged record without telling anything of the key."""
    kdf, salt = header["kdf"], base64.b64decode(header["salt"], validate=True)
    if kdf == "kms":
        # The header is not trusted before it is opened: only the service that the user named is asked, never the one named there.
        if isinstance(keys, Secret):
            raise WrongPassphrase("it is sealed with a key management service")
        return _expand(keys.unwrapped(base64.b64decode(header["wrapped"], validate=True)), salt)
    return _keys(keys if isinstance(keys, Secret) else keys.before(), kdf, salt, header.get("cost", _OLD_COST))


@lru_cache(maxsize=8)
def _keys(passphrase: Secret, kdf: str, salt: bytes, cost: int) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    secret = passphrase.reveal().encode(errors="surrogateescape")
    if kdf == "scrypt":
        if not 2 <= cost <= _WORST_COST:
            raise ValueError(cost)
        secret = Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(secret)
    elif kdf != "hkdf":
        raise ValueError(kdf)
    return _expand(secret, salt)


def _expand(secret: bytes, salt: bytes) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    both = HKDF(algorithm=SHA256(), length=40, salt=salt, info=MAGIC.encode()).derive(secret)
    return both[:32], both[32:]


def _line(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True).encode() + b"\n"


def _digest(header: dict[str, Any], body: bytes) -> str:
    return hashlib.sha256(_line(header) + body).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
