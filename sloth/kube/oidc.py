"""Tokens of an OpenID Connect provider that a kubeconfig names, renewed with its refresh token.

Sources: kubernetes.io, "Authenticating" (OpenID Connect Tokens, option 1: the `oidc` auth provider); OpenID Connect Discovery
1.0, section 4; OpenID Connect Core 1.0, section 12; RFC 6749, sections 2.3.1, 5.2 and 6.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from sloth.errors import CredentialsError
from sloth.kube.connection import Oidc
from sloth.model.secret import Secret

_TIME = 30.0  # seconds
_MOST = 1 << 20  # bytes of an answer
_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider gave. `refresh` is the one to use next time."""

    identity: Secret
    refresh: Secret


def expiry(token: Secret) -> float | None:
    """POSIX seconds of the `exp` claim of a JSON Web Token (RFC 7519, 4.1.4); None if it has none."""
    parts = token.reveal().split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def renew(oidc: Oidc, refresh: Secret) -> Tokens:
    """Ask the provider for a new identity token. Raises CredentialsError, without the tokens in it."""
    about = _asked(oidc, f"{oidc.issuer.rstrip('/')}/.well-known/openid-configuration")
    endpoint = about.get("token_endpoint")
    if not isinstance(endpoint, str) or not _safe(endpoint):
        raise _failed(oidc, "its discovery document names no token endpoint with https")
    form = {"grant_type": "refresh_token", "refresh_token": refresh.reveal()}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    methods = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if oidc.client_secret and "client_secret_basic" in methods:
        pair = f"{quote(oidc.client_id, safe='')}:{quote(oidc.client_secret.reveal(), safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": oidc.client_id}
        form |= {"client_secret": oidc.client_secret.reveal()} if oidc.client_secret else {}
    given = _asked(oidc, endpoint, urlencode(form).encode(), headers)
    token, next_one = given.get("id_token"), given.get("refresh_token")
    if not isinstance(token, str) or not token:
        raise _failed(oidc, "it gave no id_token: the client may not ask for the scope `openid`")
    return Tokens(Secret(token), Secret(next_one) if isinstance(next_one, str) and next_one else refresh)


def _asked(oidc: Oidc, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    if not _safe(url):
        raise _failed(oidc, "its address is not https")
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310  the scheme was looked at
    try:
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=_context(oidc)))
        with opener.open(request, timeout=_TIME) as answer:
            found = json.loads(answer.read(_MOST))
    except urllib.error.HTTPError as error:
        raise _failed(oidc, f"HTTP {error.code} {_reason(error.read(_MOST))}".strip()) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _failed(oidc, f"{urlsplit(url).netloc}: {error}") from None
    if not isinstance(found, dict):
        raise _failed(oidc, "what it answers is no JSON object")
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The refresh token is for this address only."""

    def redirect_request(self, *words: Any, **more: Any) -> None:
        return None


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)


def _context(oidc: Oidc) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=oidc.ca.decode("ascii") if oidc.ca else None)
    except (ssl.SSLError, UnicodeDecodeError):
        raise _failed(oidc, "`idp-certificate-authority` is no PEM certificate") from None


def _reason(body: bytes) -> str:
    """The error of RFC 6749, 5.2: its two fields have no tokens in them."""
    try:
        found = json.loads(body)
        return f"{found['error']} {found.get('error_description', '')}".strip()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def _failed(oidc: Oidc, why: str) -> CredentialsError:
    return CredentialsError(
        "kube/oidc-refresh",
        f"the identity provider {oidc.issuer} gave no new token",
        detail=why,
        hint="log in at the provider again, with the program that wrote the kubeconfig",
    )


def no_refresh_token(oidc: Oidc) -> CredentialsError:
    """For a token that is over and cannot be renewed."""
    return _failed(oidc, "the identity token is over, and the kubeconfig has no refresh-token")
