"""How a cluster is reached and who asks: everything that a client needs, in one frozen value."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import msgspec

from sloth.kube.route import Route
from sloth.model.secret import Secret

_KEY = os.urandom(32)
Interactive = Literal["Never", "IfAvailable", "Always"]


class ExecPlugin(msgspec.Struct, frozen=True):
    """A command that prints an ExecCredential (kubernetes.io, "Authenticating", client-go credential plugins)."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    api_version: str = "client.authentication.k8s.io/v1"
    install_hint: str = ""
    provide_cluster_info: bool = False
    cluster_config: object = None
    interactive: Interactive = "IfAvailable"


class Oidc(msgspec.Struct, frozen=True):
    """An OpenID Connect provider that a kubeconfig names (`auth-provider: oidc`). Renewed tokens go to `user` in `file`."""

    issuer: str
    client_id: str
    client_secret: Secret | None = None
    id_token: Secret | None = None
    refresh_token: Secret | None = None
    ca: bytes = b""
    user: str = ""
    file: Path | None = None


class Impersonation(msgspec.Struct, frozen=True):
    """Whom to act as (kubernetes.io, "User Impersonation"). All but `user` need it."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def headers(self) -> list[tuple[str, str]]:
        """The headers, in order; groups and extra values repeat their header."""
        from urllib.parse import quote

        found = [("Impersonate-User", self.user)]
        found += [("Impersonate-Group", group) for group in self.groups]
        found += [("Impersonate-Uid", self.uid)] if self.uid else []
        for key, values in self.extra:
            found += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
        return found


@dataclass(frozen=True, slots=True)
class Connection:
    """One cluster as one user. `ca` is PEM; with none, the system's authorities are asked. `name` is for people.

    With a `route`, sockets come from it; `server` still is the URL that is asked for. A proxy is not used then.
    """

    server: str
    ca: bytes = b""
    insecure: bool = False
    tls_server_name: str = ""
    proxy: str = ""
    client_certificate: bytes = b""
    client_key: Secret | None = None
    token: Secret | None = None
    token_file: Path | None = None
    username: str = ""
    password: Secret | None = None
    plugin: ExecPlugin | None = None
    oidc: Oidc | None = None
    acting_as: Impersonation | None = None
    namespace: str = "default"
    name: str = ""
    route: Route | None = None

    def cluster_id(self) -> str:
        """A digest of where the cluster is, for files that are kept about it. Says nothing of the user."""
        import hashlib  # 2 ms, like OpenSSL's digests below it

        parts = (self.server.encode(), self.ca, self.tls_server_name.encode())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]

    def key(self) -> str:
        """A digest of cluster, credentials and all the rest: equal for equal connections. Means nothing outside this process."""
        import hashlib

        digest = hashlib.blake2b(key=_KEY, digest_size=24)
        for each in fields(self):
            value = getattr(self, each.name)
            digest.update(f"{each.name}={_plain(value)!r}\0".encode())
        return digest.hexdigest()


def _plain(value: object) -> object:
    """With secrets as what they are, so that two of them differ."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, msgspec.Struct):
        return [(name, _plain(getattr(value, name))) for name in value.__struct_fields__]
    return value
