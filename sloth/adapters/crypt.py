"""Sealing a record: AES-256-GCM with everything that identifies it authenticated alongside.

File: one JSON line (the header: schema, cluster, revision, key derivation, salt, nonce), then the ciphertext. The header is
the associated data, so a record cannot pass for another cluster's or another revision. Two further fields of the header only
tell failures apart: `digest` (SHA-256 of all the rest, so that a damaged file is never taken for a wrong passphrase or a
newer schema) and `check` (derived from the passphrase beside the key).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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


def seal(plain: bytes, passphrase: Secret, about: dict[str, Any], *, like: Sealed | None = None) -> bytes:
    """Encrypt. `about` is readable and authenticated. With the salt of `like`, its key need not be derived again."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    kdf: dict[str, Any] = {"kdf": "hkdf"}
    if not passphrase.reveal().startswith(KEY_PREFIX):
        kdf = {"kdf": "scrypt", "cost": _COST}
    follow = like is not None and all(like.header.get(name) == value for name, value in kdf.items())
    salt = base64.b64decode(like.header["salt"]) if like and follow else os.urandom(16)
    nonce = os.urandom(12)  # random: fewer than 2^32 records under one key (NIST SP 800-38D)
    key, check = _keys(passphrase, kdf["kdf"], salt, _COST)
    header = {"magic": MAGIC, **about, **kdf, "salt": _text(salt), "nonce": _text(nonce), "check": _text(check)}
    body = AESGCM(key).encrypt(nonce, plain, _line(header))
    return _line({**header, "digest": _digest(header, body)}) + body


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


def unseal(sealed: Sealed, passphrase: Secret) -> bytes:
    """Decrypt. Raises WrongPassphrase, or Unsealable when anything was changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        salt, nonce, check = (base64.b64decode(sealed.header[name], validate=True) for name in ("salt", "nonce", "check"))
        key, ours = _keys(passphrase, sealed.header["kdf"], salt, sealed.header.get("cost", _OLD_COST))
        if not hmac.compare_digest(check, ours):
            raise WrongPassphrase("it is sealed with another passphrase")
        return AESGCM(key).decrypt(nonce, sealed.body, sealed.line)
    except (KeyError, ValueError, TypeError, InvalidTag) as error:
        raise Unsealable("the seal does not fit") from error


@lru_cache(maxsize=8)
def _keys(passphrase: Secret, kdf: str, salt: bytes, cost: int) -> tuple[bytes, bytes]:
    """The key, and a value that tells a wrong passphrase from a damaged record without telling anything of the key."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    secret = passphrase.reveal().encode(errors="surrogateescape")
    if kdf == "scrypt":
        if not 2 <= cost <= _WORST_COST:
            raise ValueError(cost)
        secret = Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(secret)
    elif kdf != "hkdf":
        raise ValueError(kdf)
    both = HKDF(algorithm=SHA256(), length=40, salt=salt, info=MAGIC.encode()).derive(secret)
    return both[:32], both[32:]


def _line(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True).encode() + b"\n"


def _digest(header: dict[str, Any], body: bytes) -> str:
    return hashlib.sha256(_line(header) + body).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
