"""One cluster and one user of a kubeconfig as a Connection (kubernetes.io, "kubeconfig (v1)")."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sloth.errors import KubernetesError
from sloth.kube.connection import Connection, ExecPlugin, Impersonation, Interactive, Oidc
from sloth.model.secret import Secret

_PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def broken(name: str, why: str) -> KubernetesError:
    """A kubeconfig that cannot be used. `why` quotes nothing of it but names."""
    return KubernetesError(
        "kube/config-broken", f"the kubeconfig {name} is not usable", detail=why, hint="sloth kubeconfig --merge"
    )


def connection_of(name: str, cluster: Mapping[str, Any], user: Mapping[str, Any], namespace: str) -> Connection:
    """Read the files that both name, and check both. Raises KubernetesError."""
    server = _text(cluster, "server", name)
    if not server.startswith(("https://", "http://")):
        raise broken(name, f"`server` is no URL: {server!r}" if server else "its cluster has no `server`")
    key = _bytes(user, "client-key", name)
    token, token_file = _text(user, "token", name), _text(user, "tokenFile", name)
    password = _text(user, "password", name)
    return Connection(
        server=server.rstrip("/"),
        ca=_bytes(cluster, "certificate-authority", name),
        insecure=cluster.get("insecure-skip-tls-verify") is True,
        tls_server_name=_text(cluster, "tls-server-name", name),
        proxy=_text(cluster, "proxy-url", name),
        client_certificate=_bytes(user, "client-certificate", name),
        client_key=Secret(key.decode("ascii", "replace")) if key else None,
        token=Secret(token) if token else None,
        token_file=Path(token_file) if token_file else None,
        username=_text(user, "username", name),
        password=Secret(password) if password else None,
        plugin=_plugin(user["exec"], cluster, name) if user.get("exec") else None,
        oidc=_oidc(user["auth-provider"], name) if user.get("auth-provider") and not user.get("exec") else None,
        acting_as=_acting_as(user, name),
        namespace=namespace,
        name=name,
    )


def _text(body: Mapping[str, Any], key: str, name: str) -> str:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise broken(name, f"`{key}` is no text")
    return value or ""


def _bytes(body: Mapping[str, Any], key: str, name: str) -> bytes:
    data, path = _text(body, f"{key}-data", name), _text(body, key, name)
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            raise broken(name, f"`{key}-data` is no base64") from None
    if not path:
        return b""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise broken(name, f"`{key}` cannot be read: {error}") from error


def _plugin(body: Any, cluster: Mapping[str, Any], name: str) -> ExecPlugin:
    if not isinstance(body, dict) or not isinstance(body.get("command"), str):
        raise broken(name, "`exec` has no `command`")
    version = _text(body, "apiVersion", name)
    if version not in _PLUGIN_VERSIONS:
        raise broken(name, f"`exec.apiVersion` {version!r} is none of {', '.join(_PLUGIN_VERSIONS)}")
    mode = body.get("interactiveMode") or ("IfAvailable" if version.endswith("v1beta1") else "")
    if mode not in ("Never", "IfAvailable", "Always"):
        raise broken(name, "`exec.interactiveMode` has to be Never, IfAvailable or Always")
    return ExecPlugin(
        command=body["command"],
        args=tuple(str(each) for each in body.get("args") or ()),
        env=tuple((str(each["name"]), str(each["value"])) for each in body.get("env") or ()),
        api_version=version,
        install_hint=_text(body, "installHint", name),
        provide_cluster_info=body.get("provideClusterInfo") is True,
        cluster_config=_extension(cluster),
        interactive=cast("Interactive", mode),
    )


def _oidc(body: Any, name: str) -> Oidc:
    """The one auth provider that Kubernetes 1.26 left (client-go: plugin/pkg/client/auth/oidc)."""
    kind = body.get("name") if isinstance(body, dict) else None
    if kind != "oidc":
        raise broken(name, f"`auth-provider` {kind!r} is no more since Kubernetes 1.26; use `exec` with the provider's plugin")
    config = body.get("config") or {}
    if not isinstance(config, dict):
        raise broken(name, "`auth-provider.config` is no mapping")
    secret, token, refresh = (_text(config, key, name) for key in ("client-secret", "id-token", "refresh-token"))
    issuer, client = _text(config, "idp-issuer-url", name), _text(config, "client-id", name)
    if not issuer or not client:
        raise broken(name, "`auth-provider.config` needs `idp-issuer-url` and `client-id`")
    return Oidc(
        issuer=issuer,
        client_id=client,
        client_secret=Secret(secret) if secret else None,
        id_token=Secret(token) if token else None,
        refresh_token=Secret(refresh) if refresh else None,
        ca=_bytes(config, "idp-certificate-authority", name),
    )


def _extension(cluster: Mapping[str, Any]) -> object:
    """What the cluster entry has for plugins, under this reserved name (client-go: ExecConfig, ProvideClusterInfo)."""
    for each in cluster.get("extensions") or ():
        if isinstance(each, dict) and each.get("name") == "client.authentication.k8s.io/exec":
            return each.get("extension")
    return None


def _acting_as(user: Mapping[str, Any], name: str) -> Impersonation | None:
    who = _text(user, "as", name)
    if not who:
        return None
    extra = user.get("as-user-extra") or {}
    return Impersonation(
        user=who,
        groups=tuple(str(each) for each in user.get("as-groups") or ()),
        uid=_text(user, "as-uid", name),
        extra=tuple((str(key), tuple(str(each) for each in values)) for key, values in extra.items()),
    )
