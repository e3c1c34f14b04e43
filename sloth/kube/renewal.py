"""One renewal of an identity token: under the kubeconfig's lock, so that of several programs one asks and the others read.

A provider may take back a refresh token with its first use (RFC 6749, 6): two programs that use the same one at once would lock
their user out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from sloth.kube.connection import Oidc
from sloth.kube.kubeconfig_write import locked, provider_config, with_values, write
from sloth.kube.oidc import Tokens, expiry, no_refresh_token, renew
from sloth.model.secret import Secret

_log = logging.getLogger(__name__)
_EARLY = 10.0  # seconds before its end that a token counts as over, as client-go has it


class Renewal:
    """The identity token of one provider's entry, and how it is renewed. Not thread-safe: `Credentials` locks."""

    def __init__(self, oidc: Oidc, now: Callable[[], float]) -> None:
        self._oidc, self._now = oidc, now
        self._token, self._refresh = oidc.id_token, oidc.refresh_token

    def token(self, refused: Callable[[Secret], bool]) -> Secret:
        """The token, renewed if it is over or `refused` knows it: from the file, or by the provider. Raises CredentialsError."""
        if self._token is None or self._over(self._token) or refused(self._token):
            self._token = self._renewed(self._token)
        return self._token

    def _renewed(self, old: Secret | None) -> Secret:
        file = self._oidc.file
        if file is None:
            return self._asked().identity
        try:
            with locked(file):
                return self._under_lock(file, old)
        except OSError as error:  # a folder that cannot be written, a lock that is not given back
            _log.warning("the renewed token is not kept in %s: %s", file, error)
            return self._asked().identity

    def _under_lock(self, file: Path, old: Secret | None) -> Secret:
        text = file.read_bytes().decode(errors="surrogateescape")
        there = provider_config(text, self._oidc.user)
        found, refresh = (_secret(there.get(key)) for key in ("id-token", "refresh-token"))
        self._refresh = refresh or self._refresh
        if found and found != old and not self._over(found):
            return found  # another program has renewed it meanwhile
        tokens = self._asked()
        values = {"id-token": tokens.identity.reveal(), "refresh-token": tokens.refresh.reveal()}
        try:
            write(file, with_values(text, self._oidc.user, values))
        except (OSError, ValueError) as error:
            # The token is good all the same; what a next program finds in the file may not be.
            _log.warning("the renewed token is not kept in %s: %s", file, error)
        return tokens.identity

    def _asked(self) -> Tokens:
        if self._refresh is None:
            raise no_refresh_token(self._oidc)
        tokens = renew(self._oidc, self._refresh)
        self._refresh = tokens.refresh
        return tokens

    def _over(self, token: Secret) -> bool:
        at = expiry(token)
        return at is not None and self._now() >= at - _EARLY


def _secret(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and value else None
