"""The verbs as calls, without I/O. Both fronts have a method for each; the apply engine and the command line are made of them
too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from sloth.errors import UsageError
from sloth.kube.decode import asked, document, dumps, members, ok
from sloth.kube.kinds import Kinds
from sloth.kube.resource import EVERYWHERE, Resource
from sloth.kube.sheaf import named, sheaf
from sloth.kube.wire import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Call, Object, Request, ask, ask_all

PAGE = 500
PatchKind = Literal["merge", "json", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]
_PATCHES: Mapping[str, str] = {"merge": MERGE_PATCH, "json": JSON_PATCH, "strategic": STRATEGIC_PATCH}


@dataclass(frozen=True, slots=True)
class Select:
    """Which objects: label selector and field selector, in the API's own words (`app=web,tier!=db`, `status.phase=Running`)."""

    labels: str = ""
    fields: str = ""

    def query(self) -> list[tuple[str, str]]:
        """As query parameters."""
        return [(key, value) for key, value in (("labelSelector", self.labels), ("fieldSelector", self.fields)) if value]


EVERY = Select()


class Page(msgspec.Struct):
    """One page of a list. `token` continues it; `left` is how many more there are, where the server says so."""

    items: list[Object]
    version: str = ""
    token: str = ""
    left: int = 0
    document: Object = msgspec.field(default_factory=dict)


def _part(limit: int, token: str) -> list[tuple[str, str]]:
    return [*([("limit", str(limit))] if limit else []), *([("continue", token)] if token else [])]


class Api:
    """Calls for one connection: knows the default namespace and the field manager, nothing of sockets."""

    def __init__(self, kinds: Kinds, namespace: str = "default", manager: str = "sloth") -> None:
        self.kinds, self.namespace, self.manager = kinds, namespace, manager

    def place(self, resource: Resource, namespace: str | None) -> str:
        """The namespace that counts: none for kinds of the whole cluster, the connection's own unless another is named."""
        return "" if not resource.namespaced else (namespace or self.namespace)

    def get(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, subresource: str = "", accept: str = JSON
    ) -> Call[Object]:
        """One object. Raises ApiError."""
        resource = yield from self.kinds.find(kind)
        place = self._one(resource, namespace)
        return (
            yield from asked(
                Request(
                    "GET",
                    resource.path(place, _named(name), subresource),
                    headers={"Accept": accept},
                    what=resource.words("get", place, name),
                )
            )
        )

    def get_many(self, kind: str | Resource, names: Iterable[str], namespace: str | None = None) -> Call[list[Object]]:
        """Several objects at once, in the order of their names. Raises ApiError of the first that cannot be had."""
        resource = yield from self.kinds.find(kind)
        place = self._one(resource, namespace)
        requests = [
            Request("GET", resource.path(place, _named(name)), headers={"Accept": JSON}, what=resource.words("get", place, name))
            for name in names
        ]
        answers = yield from ask_all(requests)
        return [document(ok(answer, request)) for answer, request in zip(answers, requests, strict=True)]

    def may(
        self, verb: str, kind: str | Resource, namespace: str | None = None, *, name: str = "", subresource: str = ""
    ) -> Call[bool]:
        """Whether this user may do that, asked by a SelfSubjectAccessReview."""
        resource = yield from self.kinds.find(kind)
        place = self.place(resource, namespace)
        about = {
            "verb": verb, "group": resource.group, "resource": resource.plural, "subresource": subresource, "name": name,
            "namespace": "" if place == EVERYWHERE else place,
        }  # fmt: skip
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": about},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        found = yield from asked(Request("POST", path, (), {"Content-Type": JSON}, dumps(review), resource.words("may I", place)))
        return (found.get("status") or {}).get("allowed") is True

    def page(
        self, kind: str | Resource, namespace: str | None = None, *, select: Select = EVERY, limit: int = PAGE,
        token: str = "", accept: str = JSON, query: Iterable[tuple[str, str]] = (),
    ) -> Call[Page]:  # fmt: skip
        """One page of a list; `limit` 0 asks for everything at once. Raises ApiError (status 410: `token` is too old)."""
        request = yield from self._listing(kind, namespace, accept, [*select.query(), *query, *_part(limit, token)])
        found = yield from asked(request)
        meta, items = members(found)
        named(found, items)
        return Page(items, meta.get("resourceVersion", ""), meta.get("continue", ""), meta.get("remainingItemCount", 0), found)

    def sheaf(
        self, kind: str | Resource, namespace: str | None = None, *, select: Select = EVERY, limit: int = PAGE, token: str = ""
    ) -> Call[tuple[str, Iterator[Object]]]:
        """What continues a page of a list, and its objects, each decoded when it is taken. Raises as `page`, then too."""
        request = yield from self._listing(kind, namespace, JSON, [*select.query(), *_part(limit, token)])
        return sheaf(ok((yield from ask(request)), request))

    def _listing(
        self, kind: str | Resource, namespace: str | None, accept: str, query: Iterable[tuple[str, str]]
    ) -> Call[Request]:
        resource = yield from self.kinds.find(kind)
        place = self.place(resource, namespace)
        return Request("GET", resource.path(place), tuple(query), {"Accept": accept}, what=resource.words("list", place))

    def create(
        self, item: Object, namespace: str | None = None, *, kind: str | Resource = "", dry_run: bool = False, strict: bool = True
    ) -> Call[Object]:
        """Make an object. Raises ApiError."""
        resource, place, name = yield from self._whose(item, namespace, kind)
        request = Request(
            "POST",
            resource.path(place),
            self._query(dry_run, strict),
            {"Content-Type": JSON},
            dumps(item),
            resource.words("create", place, name),
        )
        return (yield from asked(request))

    def replace(
        self, item: Object, namespace: str | None = None, *, subresource: str = "", dry_run: bool = False, strict: bool = True
    ) -> Call[Object]:
        """Put an object in place of the one of its name; with a resourceVersion only of that version. Raises ApiError."""
        resource, place, name = yield from self._whose(item, namespace, "")
        path = resource.path(place, _named(name), subresource)
        request = Request(
            "PUT", path, self._query(dry_run, strict), {"Content-Type": JSON}, dumps(item), resource.words("replace", place, name)
        )
        return (yield from asked(request))

    def patch(
        self, kind: str | Resource, name: str, patch: Any, namespace: str | None = None, *, how: PatchKind = "merge",
        subresource: str = "", dry_run: bool = False, strict: bool = True,
    ) -> Call[Object]:  # fmt: skip
        """Change a part of an object: a JSON merge patch, a list of JSON patch operations, or a strategic merge patch."""
        resource = yield from self.kinds.find(kind)
        place = self._one(resource, namespace)
        request = Request(
            "PATCH", resource.path(place, _named(name), subresource), self._query(dry_run, strict),
            {"Content-Type": _PATCHES[how]}, dumps(patch), resource.words("patch", place, name),
        )  # fmt: skip
        return (yield from asked(request))

    def apply(
        self, item: Object, namespace: str | None = None, *, force: bool = False, manager: str = "", dry_run: bool = False,
        strict: bool = True, subresource: str = "",
    ) -> Call[Object]:  # fmt: skip
        """Server-side apply: the fields given are ours from now on. Raises ApiError (`kube/owned`: others own some of them)."""
        request = yield from self.apply_request(
            item, namespace, force=force, manager=manager, dry_run=dry_run, strict=strict, subresource=subresource
        )
        return (yield from asked(request))

    def apply_request(
        self, item: Object, namespace: str | None = None, *, force: bool = False, manager: str = "", dry_run: bool = False,
        strict: bool = True, subresource: str = "",
    ) -> Call[Request]:  # fmt: skip
        """The request of `apply`, to be sent with others."""
        resource, place, name = yield from self._whose(item, namespace, "")
        query = (*self._query(dry_run, strict, manager), *((("force", "true"),) if force else ()))
        return Request(
            "PATCH", resource.path(place, _named(name), subresource), query, {"Content-Type": APPLY_PATCH}, dumps(item),
            resource.words("apply", place, name),
        )  # fmt: skip

    def delete(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, propagation: Propagation = "Background",
        uid: str = "", version: str = "", grace: int | None = None, dry_run: bool = False,
    ) -> Call[Object]:  # fmt: skip
        """Delete an object; with `uid` or `version` only if it is that very one. `grace` is seconds. Raises ApiError."""
        request = yield from self.delete_request(
            kind, name, namespace, propagation=propagation, uid=uid, version=version, grace=grace, dry_run=dry_run
        )
        return (yield from asked(request))

    def delete_request(
        self, kind: str | Resource, name: str, namespace: str | None = None, *, propagation: Propagation = "Background",
        uid: str = "", version: str = "", grace: int | None = None, dry_run: bool = False,
    ) -> Call[Request]:  # fmt: skip
        """The request of `delete`, to be sent with others."""
        resource = yield from self.kinds.find(kind)
        place = self._one(resource, namespace)
        only = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        body: dict[str, Any] = {"propagationPolicy": propagation, **({"preconditions": only} if only else {})}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        if dry_run:
            body["dryRun"] = ["All"]
        path, words = resource.path(place, _named(name)), resource.words("delete", place, name)
        return Request("DELETE", path, (), {"Content-Type": JSON}, dumps(body), words)

    def log_request(self, pod: str, namespace: str | None = None, query: Iterable[tuple[str, str]] = ()) -> Call[Request]:
        """The request for a pod's log, to be opened as a stream."""
        resource = yield from self.kinds.find("pods")
        place = self._one(resource, namespace)
        return Request("GET", resource.path(place, _named(pod), "log"), tuple(query), what=resource.words("log of", place, pod))

    def _one(self, resource: Resource, namespace: str | None) -> str:
        place = self.place(resource, namespace)
        if place == EVERYWHERE:
            raise UsageError("kube/no-namespace", f"one {resource.kind} is in one namespace: which?", hint="--namespace NAME")
        return place

    def _whose(self, item: Object, namespace: str | None, kind: str | Resource) -> Call[tuple[Resource, str, str]]:
        if not isinstance(item.get("kind"), str) or not isinstance(item.get("apiVersion"), str):
            raise UsageError("kube/no-object", "an object needs `apiVersion` and `kind`", hint="add the field that is missing")
        resource = yield from self.kinds.find(kind or f"{item['apiVersion']}/{item['kind']}")
        meta = item.get("metadata") or {}
        return resource, self._one(resource, namespace or meta.get("namespace")), meta.get("name", "")

    def _query(self, dry_run: bool, strict: bool, manager: str = "") -> tuple[tuple[str, str], ...]:
        said = [("fieldManager", manager or self.manager), ("fieldValidation", "Strict" if strict else "Warn")]
        return (*said, ("dryRun", "All")) if dry_run else tuple(said)


def _named(name: str) -> str:
    if not name:
        raise UsageError("kube/no-object", "an object needs a name here", hint="add `metadata.name`")
    return name
