"""Requests of the fake API server: paths to objects, answers in the API's forms."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from sloth.kube.builtin import BUILTIN
from sloth.kube.resource import Resource
from sloth.testing import kube_logs, kube_patch, kube_workloads
from sloth.testing.kube_patch import Refused
from sloth.testing.kube_select import selected, table
from sloth.testing.kube_state import Change, State

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


@dataclass(slots=True)
class Reply:
    """One answer; the body is bytes, or pieces as they come."""

    status: int
    body: bytes | Iterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, taken apart. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Any:
        """The JSON of the body. Raises Refused (400)."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refused(400, "BadRequest", "the object provided is unrecognized") from error

    @property
    def as_table(self) -> bool:
        """Whether the Table form is wanted."""
        return "as=Table" in self.headers.get("accept", "")

    @property
    def included(self) -> str:
        """What of the objects comes with the rows of a table."""
        return self.query.get("includeObject", "Metadata")

    @property
    def manager(self) -> str:
        """The field manager."""
        return self.query.get("fieldManager", "unknown")

    @property
    def dry(self) -> bool:
        """Whether nothing is to be kept."""
        return bool(self.query.get("dryRun"))


@dataclass(frozen=True, slots=True)
class _Target:
    resource: Resource
    namespace: str
    name: str
    part: str


def reply(state: State, asked: Asked, user: str | None, stopping: threading.Event) -> Reply:
    """Answer one request, failures as Status objects."""
    try:
        if user is None:
            raise Refused(401, "Unauthorized", "Unauthorized")
        with state.lock:
            return _fixed(state, asked) or _review(state, asked, user) or _objects(state, asked, stopping)
    except Refused as refused:
        status = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": refused.message,
            "reason": refused.reason, "code": refused.status, "details": {"causes": refused.causes},
        }  # fmt: skip
        return _json(status, refused.status)


def _json(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, dumps(value), {"Content-Type": "application/json", **headers})


def dumps(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def _fixed(state: State, asked: Asked) -> Reply | None:
    """The paths that are no objects."""
    if asked.path in ("/api", "/apis"):
        return _discovery(state, asked)
    if asked.path in ("/readyz", "/livez"):
        return Reply(200, b"ok", {"Content-Type": "text/plain"})
    if asked.path == "/version":
        return _json({"major": "1", "minor": "36", "gitVersion": "v1.36.0"})
    if asked.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
        return _json({**asked.document(), "status": {"allowed": True}}, 201)
    return None


def _review(state: State, asked: Asked, user: str) -> Reply | None:
    found = kube_workloads.reviews(state, asked.path, asked.document(), user) if asked.method == "POST" else None
    return _json(found, 201) if found else None


def _objects(state: State, asked: Asked, stopping: threading.Event) -> Reply:
    target = _parse(state, asked.path)
    if target.name:
        return _one(state, asked, target, stopping)
    if asked.method == "GET":
        watch = asked.query.get("watch") == "true"
        return _watch(state, asked, target, stopping) if watch else _list(state, asked, target)
    if asked.method == "POST":
        return _json(state.create(target.resource, target.namespace, asked.document(), asked.manager, dry=asked.dry), 201)
    raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def _parse(state: State, path: str) -> _Target:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    try:
        group, version, *rest = ["", *parts[1:]] if parts[0] == "api" else parts[1:]
    except ValueError as error:
        raise Refused(404, "NotFound", "the server could not find the requested resource") from error
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, part = [*rest, "", "", ""][:3]
    return _Target(state.resource(group, version, plural), namespace, name, part)


def _one(state: State, asked: Asked, target: _Target, stopping: threading.Event) -> Reply:
    resource, namespace, name = target.resource, target.namespace, target.name
    if target.part == "scale":
        live = state.get(resource, namespace, name)
        return _json(
            kube_workloads.scale(
                state, resource, live, method=asked.method, body=asked.body, manager=asked.manager, dry=asked.dry
            )
        )
    if resource.plural == "pods" and target.part in ("eviction", "log"):
        return _of_pod(state, asked, target, stopping)
    if asked.method == "GET":
        item = state.get(resource, namespace, name)
        return _json(table(resource, [item], asked.included) if asked.as_table else item)
    if asked.method == "DELETE":
        return _json(state.delete(resource, namespace, name, asked.document() if asked.body else {}))
    if asked.headers.get("content-type") == "application/apply-patch+yaml":
        made = (resource.group, resource.plural, namespace, name) not in state.objects
        force = asked.query.get("force") == "true"
        item = state.apply(resource, namespace, name, asked.document(), asked.manager, force=force, dry=asked.dry)
        return _json(item, 201 if made else 200)
    live = state.get(resource, namespace, name)
    item = asked.document() if asked.method == "PUT" else _patched(live, asked, resource)
    return _json(state.update(resource, namespace, name, _part(live, item, target.part), asked.manager, dry=asked.dry))


def _of_pod(state: State, asked: Asked, target: _Target, stopping: threading.Event) -> Reply:
    pod = state.get(target.resource, target.namespace, target.name)
    if target.part == "eviction":
        return _json(kube_workloads.evict(state, target.resource, pod, asked.document()), 201)
    return Reply(200, kube_logs.log(state, pod, asked.query, stopping), {"Content-Type": "text/plain"})


def _patched(live: dict[str, Any], asked: Asked, resource: Resource) -> Any:
    kind, patch = asked.headers.get("content-type", ""), asked.document()
    if kind == "application/merge-patch+json":
        return kube_patch.merge_patch(live, patch)
    if kind == "application/json-patch+json":
        return kube_patch.json_patch(live, patch)
    if kind == "application/strategic-merge-patch+json" and resource in BUILTIN:
        return kube_patch.strategic(live, patch)
    raise Refused(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {kind}")


def _part(live: dict[str, Any], item: dict[str, Any], sub: str) -> dict[str, Any]:
    """Of a `status` request only the status counts, of any other everything but it."""
    if sub == "status":
        return {
            **live,
            "status": item.get("status", {}),
            "metadata": {**live["metadata"], "resourceVersion": item["metadata"].get("resourceVersion")},
        }
    return {
        **{key: value for key, value in item.items() if key != "status"},
        **({"status": live["status"]} if "status" in live else {}),
    }


def _list(state: State, asked: Asked, target: _Target) -> Reply:
    query, resource = asked.query, target.resource
    items = [item for item in state.listed(resource, target.namespace) if selected(item, query)]
    limit, version, start = int(query.get("limit") or 0), state.version, 0
    if query.get("continue"):
        version, start = json.loads(base64.urlsafe_b64decode(query["continue"]))
        if version < state.floor:
            raise Refused(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
    meta: dict[str, Any] = {"resourceVersion": str(version)}
    if limit and start + limit < len(items):
        meta["continue"] = base64.urlsafe_b64encode(dumps([version, start + limit])).decode()
        meta["remainingItemCount"] = len(items) - start - limit
    page = items[start : start + limit if limit else None]
    if asked.as_table:
        return _json({**table(resource, page, asked.included), "metadata": meta})
    bare = [{key: value for key, value in item.items() if key not in ("apiVersion", "kind")} for item in page]
    return _json({"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta, "items": bare})


def _watch(state: State, asked: Asked, target: _Target, stopping: threading.Event) -> Reply:
    since = int(asked.query.get("resourceVersion") or state.version)
    kind = {"Content-Type": "application/json"}
    if since < state.floor:
        return Reply(200, iter([_gone(f"too old resource version: {since} ({state.floor})")]), kind)
    return Reply(200, _events(state, asked, target, since, stopping), kind)


def _gone(message: str) -> bytes:
    """As a real server says it on a watch: within an answer of 200."""
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": message}
    return dumps({"type": "ERROR", "object": status}) + b"\n"


def _events(state: State, asked: Asked, target: _Target, since: int, stopping: threading.Event) -> Iterator[bytes]:
    head = True
    while not stopping.is_set():
        new, at, expired = _news(state, since, stopping)
        if expired:
            yield _gone("the history is gone")
            return
        changes = [found for change in new if (found := _seen(change, target.resource, target.namespace, asked.query))]
        lines = []
        for word, item in changes:
            # As a real server does it: titles once.
            shown = table(target.resource, [item], asked.included, head=head) if asked.as_table else item
            lines.append(dumps({"type": word, "object": shown}) + b"\n")
            head = False
        if not lines and asked.query.get("allowWatchBookmarks") == "true" and at > since:
            meta = {"resourceVersion": str(at)}
            mark = {"kind": target.resource.kind, "apiVersion": target.resource.api_version, "metadata": meta}
            lines = [dumps({"type": "BOOKMARK", "object": mark}) + b"\n"]
        since = at
        if lines:
            yield b"".join(lines)


def _news(state: State, since: int, stopping: threading.Event) -> tuple[list[Change], int, bool]:
    """Wait for changes after `since`: them, the version now, and whether `since` is forgotten."""
    with state.lock:
        state.lock.wait_for(lambda: stopping.is_set() or state.version > since or state.floor > since)
        return [change for change in state.history if change.version > since], state.version, state.floor > since


def _seen(
    change: Change, resource: Resource, namespace: str, query: Mapping[str, str]
) -> tuple[str, dict[str, Any]] | None:  # fmt: skip
    """The change as a watch with these selectors sees it: coming into the selection is ADDED, leaving it DELETED."""
    if (change.resource.group, change.resource.plural) != (resource.group, resource.plural) or namespace not in (
        "",
        change.namespace,
    ):
        return None
    was, now = change.before is not None and selected(change.before, query), selected(change.object, query)
    kind = change.type
    if kind == "MODIFIED":
        kind = "MODIFIED" if was and now else "ADDED" if now else "DELETED" if was else ""
    elif not now:
        kind = ""
    return (kind, change.object) if kind else None


def _discovery(state: State, asked: Asked) -> Reply:
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for each in state.resources:
        if (asked.path == "/api") == (not each.group):
            groups.setdefault(each.group, {}).setdefault(each.version, []).append(
                {
                    "resource": each.plural, "responseKind": {"group": each.group, "version": each.version, "kind": each.kind},
                    "scope": "Namespaced" if each.namespaced else "Cluster", "singularResource": each.singular,
                    "verbs": _VERBS, "shortNames": list(each.short), "categories": list(each.categories),
                }
            )  # fmt: skip
    items = [
        {
            "metadata": {"name": group},
            "versions": [{"version": version, "resources": found} for version, found in versions.items()],
        }
        for group, versions in groups.items()
    ]
    document = dumps({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
    tag = f'"{hashlib.sha256(document).hexdigest()}"'
    if asked.headers.get("if-none-match") == tag:
        return Reply(304, b"", {"ETag": tag})
    return Reply(
        200, document, {"Content-Type": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "ETag": tag}
    )
