"""What a request is about, read from the request itself: verb, kind, object.

Source: kubernetes.io, "Kubernetes API Concepts" (resource URIs) and "Authorization" (request verbs).
"""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from sloth.kube.wire import APPLY_PATCH, Request

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}
_CONNECT = frozenset({"exec", "attach", "portforward", "proxy"})
_OF_NAMESPACES = frozenset({"status", "finalize"})
# They are created to be answered; nothing of them is kept (the groups authorization.k8s.io and authentication.k8s.io).
_QUESTIONS = frozenset({
    "subjectaccessreviews", "selfsubjectaccessreviews", "localsubjectaccessreviews", "selfsubjectrulesreviews",
    "selfsubjectreviews", "tokenreviews",
})  # fmt: skip


class Subject(msgspec.Struct, frozen=True):
    """`kind` as in RBAC rules (`deployments.apps`), empty for paths that are no objects; `name` is empty for collections."""

    verb: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    changes: bool = False
    """Whether it may change something, a dry run included: commands in pods and tunnels into them count."""


class _Meta(msgspec.Struct):
    name: str = ""
    generateName: str = ""
    namespace: str = ""


class _Body(msgspec.Struct):
    metadata: _Meta | None = None
    dryRun: list[str] | None = None


def subject_of(request: Request) -> Subject:
    """Read method, path and query; of the body only, for an object that is made, its name."""
    parts = [unquote(part) for part in request.path.strip("/").split("/")]
    group, rest = _inside(parts)
    changing = request.method not in ("GET", "HEAD")
    if not rest:
        return Subject(_VERBS.get(request.method, request.method.lower()), changes=changing)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OF_NAMESPACES:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = [*rest[:2], "/".join(rest[2:]), "", ""][:3] if len(rest) > 2 else [*rest, "", ""][:3]
    verb = _verb(request, name, subresource)
    if verb == "create" and not name:
        meta = _body(request).metadata or _Meta()
        name = meta.name or (f"{meta.generateName}*" if meta.generateName else "")
    return Subject(
        verb,
        f"{plural}.{group}" if group else plural,
        namespace,
        name,
        subresource,
        (changing and plural not in _QUESTIONS) or verb == "connect",
    )


def is_dry(request: Request) -> bool:
    """Whether the server is told to keep nothing: in the query, or of a deletion in its options."""
    return any(key == "dryRun" for key, _ in request.query) or (request.method == "DELETE" and bool(_body(request).dryRun))


def _inside(parts: list[str]) -> tuple[str, list[str]]:
    """The API group, and what follows the version."""
    if parts[0] == "api" and len(parts) > 2:
        return "", parts[2:]
    if parts[0] == "apis" and len(parts) > 3:
        return parts[1], parts[3:]
    return "", []


def _verb(request: Request, name: str, subresource: str) -> str:
    if subresource.partition("/")[0] in _CONNECT:
        return "connect"
    if request.method == "GET":
        if ("watch", "true") in request.query:
            return "watch"
        return "get" if name else "list"
    if request.method == "DELETE" and not name:
        return "deletecollection"
    if request.headers.get("Content-Type") == APPLY_PATCH:
        return "apply"
    return _VERBS.get(request.method, request.method.lower())


def _body(request: Request) -> _Body:
    try:
        return msgspec.json.decode(request.body, type=_Body) if request.body else _Body()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Body()
