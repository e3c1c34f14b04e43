"""Whom the cluster takes us for, as far as the credentials say: never the credentials themselves."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from functools import lru_cache

from sloth.kube.connection import Connection
from sloth.model.secret import Secret


def identity(connection: Connection) -> str:
    """How it says who it is, and who: `cert:CN`, `token:SUBJECT` (or a digest's beginning), `exec:COMMAND`, `anonymous` …"""
    if connection.plugin:
        return f"exec:{os.path.basename(connection.plugin.command)}"
    if connection.oidc:
        return f"oidc:{connection.oidc.issuer}"
    if connection.token_file:
        return f"file:{connection.token_file}"
    if connection.token:
        return _token(connection.token)
    if connection.username:
        return f"basic:{connection.username}"
    return _certificate(connection.client_certificate) if connection.client_certificate else "anonymous"


@lru_cache(maxsize=64)
def _token(token: Secret) -> str:
    """Of a JSON Web Token (RFC 7519) the subject, which is no secret; of any other a digest, which tells two of them apart."""
    parts = token.reveal().split(".")
    if len(parts) == 3:
        try:
            subject = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))["sub"]
        except (ValueError, KeyError, TypeError):
            subject = None
        if isinstance(subject, str):
            return f"token:{subject}"
    return f"token:{hashlib.sha256(token.reveal().encode()).hexdigest()[:12]}"


@lru_cache(maxsize=64)
def _certificate(pem: bytes) -> str:
    from cryptography import x509

    try:
        names = x509.load_pem_x509_certificate(pem).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    except ValueError:
        names = []
    return f"cert:{names[0].value!s}" if names else "cert:?"
