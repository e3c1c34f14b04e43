"""Who we are, as headers and client certificates: tokens, token files that change, identity providers, exec plugins.

Sources: kubernetes.io, "Authenticating" (client-go credential plugins: input and output formats, interactive mode);
KEP-541 (external credential providers: a 401 makes the credential invalid).
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from sloth.errors import CredentialsError
from sloth.kube.connection import Connection, ExecPlugin, Oidc
from sloth.model.secret import Secret

if TYPE_CHECKING:
    from sloth.kube.renewal import Renewal

_REREAD = 60.0  # seconds until a token file is looked at again, as client-go does
_EARLY = 30.0  # seconds before its expiry that a plugin's credential is renewed
_PLUGIN_TIME = 120.0  # seconds for a plugin: people may have to type something


class Given(msgspec.Struct, frozen=True):
    """What a plugin gave."""

    token: Secret | None = None
    certificate: bytes = b""
    key: Secret | None = None
    expires: float | None = None  # POSIX seconds


class Credentials:
    """The current headers and client certificate of one connection. Thread-safe: one plugin run serves all who wait."""

    def __init__(self, connection: Connection, now: Callable[[], float] = time.time) -> None:
        self._connection, self._now = connection, now
        self._lock = threading.Lock()
        self._given: Given | None = None
        self._file_token: Secret | None = None
        self._file_at = 0.0
        self._renewal = _renewal(connection.oidc, now) if connection.oidc else None

    def headers(self, refused: Mapping[str, str] | None = None) -> dict[str, str]:
        """The Authorization header, if any. `refused`: these were answered with 401, so ask anew. Raises CredentialsError."""
        connection = self._connection
        with self._lock:
            if connection.plugin:
                return _bearer(self._from_plugin(refused).token)
            if self._renewal:
                return _bearer(self._renewal.token(lambda token: refused is not None and _bearer(token) == {**refused}))
            if connection.token_file:
                return _bearer(self._from_file(refused))
        if connection.token:
            return _bearer(connection.token)
        if connection.username and connection.password:
            pair = f"{connection.username}:{connection.password.reveal()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}

    def certificate(self) -> tuple[bytes, Secret] | None:
        """The client certificate chain and its key, PEM."""
        given = self._given if self._connection.plugin else None
        if given and given.certificate and given.key:
            return given.certificate, given.key
        if self._connection.client_certificate and self._connection.client_key:
            return self._connection.client_certificate, self._connection.client_key
        return None

    def _from_file(self, refused: Mapping[str, str] | None) -> Secret:
        path = self._connection.token_file
        if self._file_token is None or refused is not None or self._now() - self._file_at >= _REREAD:
            try:
                text = path.read_text().strip() if path else ""
            except OSError as error:
                if self._file_token is None:
                    raise CredentialsError(
                        "kube/no-token", f"the token file {path} cannot be read", detail=str(error), hint=f"ls -l {path}"
                    ) from error
                text = ""  # being replaced right now: the last one may still do
            if text and (self._file_token is None or text != self._file_token.reveal()):
                self._file_token = Secret(text)
            self._file_at = self._now()
        if self._file_token is None:
            raise CredentialsError("kube/no-token", f"the token file {path} is empty", hint=f"ls -l {path}")
        return self._file_token

    def _from_plugin(self, refused: Mapping[str, str] | None) -> Given:
        given = self._given
        stale = given is None or (given.expires is not None and self._now() >= given.expires - _EARLY)
        if given is not None and refused is not None and _bearer(given.token) == {**refused}:
            stale = True  # else another thread has renewed it meanwhile
        if stale or given is None:
            plugin = self._connection.plugin
            given = self._given = run_plugin(plugin, self._connection) if plugin else Given()
        return given


def _renewal(oidc: Oidc, now: Callable[[], float]) -> Renewal:
    from sloth.kube.renewal import Renewal

    return Renewal(oidc, now)


def _bearer(token: Secret | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.reveal()}"} if token else {}


def run_plugin(plugin: ExecPlugin, connection: Connection) -> Given:
    """Run it and read what it prints. Raises CredentialsError."""
    import subprocess

    terminal = sys.stdin is not None and sys.stdin.isatty()
    if plugin.interactive == "Always" and not terminal:
        raise _failed(plugin, "it wants to ask something, and there is no terminal")
    interactive = terminal and plugin.interactive != "Never"
    env = {
        **os.environ,
        **dict(plugin.env),
        "KUBERNETES_EXEC_INFO": json.dumps(exec_info(plugin, connection, interactive=interactive)),
    }
    try:
        done = subprocess.run(
            [plugin.command, *plugin.args],
            env=env,
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,
            timeout=_PLUGIN_TIME,
            check=False,
        )
    except FileNotFoundError as error:
        raise _failed(plugin, "there is no such command") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(plugin, str(error)) from error
    if done.returncode:
        raise _failed(plugin, f"exit code {done.returncode}\n{(done.stderr or b'')[-2000:].decode(errors='replace')}")
    return read_credential(done.stdout, plugin)


def exec_info(plugin: ExecPlugin, connection: Connection, *, interactive: bool) -> dict[str, Any]:
    """The ExecCredential that the plugin gets in its environment."""
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.provide_cluster_info:
        about = {
            "server": connection.server,
            "tls-server-name": connection.tls_server_name,
            "insecure-skip-tls-verify": connection.insecure,
            "certificate-authority-data": base64.b64encode(connection.ca).decode(),
            "proxy-url": connection.proxy,
            "config": plugin.cluster_config,
        }
        spec["cluster"] = {key: value for key, value in about.items() if value}
    return {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}


def read_credential(text: bytes, plugin: ExecPlugin) -> Given:
    """The plugin's output. Raises CredentialsError, which does not quote it."""
    try:
        found = json.loads(text)
        status = found["status"]
        if found["apiVersion"] != plugin.api_version:
            raise _failed(plugin, f"it answers in version {found['apiVersion']}, not {plugin.api_version}")
        token, key = status.get("token"), status.get("clientKeyData")
        expires = status.get("expirationTimestamp")
        given = Given(
            token=Secret(token) if token else None,
            certificate=(status.get("clientCertificateData") or "").encode(),
            key=Secret(key) if key else None,
            expires=datetime.fromisoformat(expires.replace("Z", "+00:00")).timestamp() if expires else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _failed(plugin, "what it printed is no ExecCredential with a status") from None
    if not given.token and not (given.certificate and given.key):
        raise _failed(plugin, "it gave neither a token nor a certificate with its key")
    return given


def _failed(plugin: ExecPlugin, why: str) -> CredentialsError:
    name = os.path.basename(plugin.command)
    return CredentialsError(
        "kube/exec-plugin", f"the credential plugin {name} gave nothing", detail=why, hint=plugin.install_hint or f"{name} --help"
    )
