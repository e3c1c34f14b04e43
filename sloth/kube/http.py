"""The one module that knows httpx2: clients for a connection, requests and answers in its terms, its exceptions in ours."""

from __future__ import annotations

import ssl
from typing import Any

import httpx2

from sloth import __version__
from sloth.kube.connection import Connection
from sloth.kube.kubeconfig_entries import broken
from sloth.kube.tls import context
from sloth.kube.wire import Answer, Broken, Request
from sloth.model.secret import Secret

CONNECT = 10.0  # seconds
READ = 60.0  # seconds without a byte
CONNECTIONS = 64
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


def settings(
    connection: Connection,
    certificate: tuple[bytes, Secret] | None,
    *,
    lasting: bool = False,
    awaited: bool = False,
    http2: bool = False,
) -> dict[str, Any]:
    """Arguments for httpx2.Client, and if `awaited` for httpx2.AsyncClient.

    `lasting`: for upgrades, which have no bound and are HTTP/1.1. `http2`: that, where the server has it
    (`awaited` only; the sync front has its own way).

    Raises KubernetesError, CredentialsError.
    """
    bound = None if lasting else CONNECTIONS
    headers = [("User-Agent", f"sloth/{__version__}"), *(connection.acting_as.headers() if connection.acting_as else ())]
    chosen: dict[str, Any] = {
        "headers": headers,
        "verify": context(connection, certificate) if connection.server.startswith("https:") else False,
        "timeout": httpx2.Timeout(READ, connect=CONNECT),
        "limits": httpx2.Limits(max_connections=bound, max_keepalive_connections=0 if lasting else CONNECTIONS),
        "follow_redirects": False,  # the credentials are for this server only
    }
    if lasting:
        chosen["http2"] = False
    if connection.proxy:
        try:
            chosen["proxy"] = httpx2.Proxy(connection.proxy)
        except ValueError as error:
            raise broken(connection.name, f"`proxy-url`: {error}") from error
        chosen["trust_env"] = False
    if connection.route and awaited:
        from sloth.kube.routed import async_transport

        chosen.pop("proxy", None)
        chosen["transport"] = async_transport(connection.route, chosen)
        chosen["trust_env"] = False  # the route is the way, whatever proxies the environment names
    if http2 and awaited and not lasting:
        from sloth.kube.http2.async_transport import transport

        chosen.update(transport(connection, chosen))
    return chosen


def built(
    client: httpx2.Client | httpx2.AsyncClient, connection: Connection, request: Request, read: float | None = None
) -> httpx2.Request:
    """The request as httpx2 wants it. `read`: seconds without a byte after which the server counts as gone."""
    extra: dict[str, Any] = {}
    name = connection.tls_server_name or (connection.route.server_name if connection.route else "")
    if name:
        extra["sni_hostname"] = name
    timeout = httpx2.Timeout(read, connect=CONNECT) if read is not None else client.timeout
    return client.build_request(
        request.method,
        connection.server + request.target,
        headers=dict(request.headers),
        content=request.body or None,
        timeout=timeout,
        extensions=extra,
    )


def answer_of(response: httpx2.Response) -> Answer:
    """A response that was read."""
    return Answer(response.status_code, response.content, {key.lower(): value for key, value in response.headers.items()})


def broken_by(error: httpx2.TransportError | httpx2.DecodingError | httpx2.InvalidURL) -> Broken:
    """What went wrong instead of an answer."""
    text = str(error) or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Broken(text, sent=False, certificate=True)
        cause = cause.__cause__ or cause.__context__
    return Broken(text, sent=not isinstance(error, _UNSENT))
