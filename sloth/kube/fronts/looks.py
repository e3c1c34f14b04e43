"""Small questions: events of an object by its name, what one may do with a path, the two ends of a copy."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from sloth.errors import UsageError
from sloth.kube.api import Api
from sloth.kube.decode import asked, dumps
from sloth.kube.resource import Resource
from sloth.kube.wire import JSON, Call, Object, Request
from sloth.kube.workloads.happenings import About
from sloth.kube.workloads.happenings import events as found_events

_REMOTE = re.compile(r"(?:(?P<namespace>[a-z0-9][-a-z0-9]*)/)?(?P<pod>[a-z0-9][-a-z0-9.]*):(?P<path>.*)", re.S)
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def events(
    api: Api, namespace: str | None, kind: str | Resource, name: str, *, uid: str = "", types: Collection[str] = ()
) -> Call[list[Object]]:
    """Of a namespace, or of one object. Raises UsageError, ApiError."""
    if bool(kind) != bool(name):
        raise UsageError(
            "kube/which-events", "the events of one object need its kind and its name", hint='events(kind="pod", name="web-0")'
        )
    about = About((yield from api.kinds.find(kind)), name, uid) if kind else None
    return (yield from found_events(api, namespace, about=about, types=types))


def can_i(
    api: Api, verb: str, what: str | Resource, namespace: str | None = None, *, name: str = "", subresource: str = ""
) -> Call[bool]:
    """By a SelfSubjectAccessReview, of a path too (kubernetes.io, API reference, NonResourceAttributes). Raises ApiError."""
    if isinstance(what, Resource) or not what.startswith("/"):
        return (yield from api.may(verb, what, namespace, name=name, subresource=subresource))
    spec = {"nonResourceAttributes": {"verb": verb, "path": what}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    found = yield from asked(Request("POST", _REVIEWS, (), {"Content-Type": JSON}, dumps(review), f"may I {verb} {what}"))
    return (found.get("status") or {}).get("allowed") is True


def ends(source: str | Path, target: str | Path) -> tuple[str, str, str | None, Path]:
    """Pod, path in it, its namespace if one is named, and the path here. Raises UsageError."""
    away, here = (target, source) if isinstance(source, Path) else (source, target)
    found = None if isinstance(away, Path) else _REMOTE.fullmatch(away)
    if found is None or not isinstance(here, Path):
        raise UsageError(
            "kube/copy-path", "one of the two paths is in a pod, the other is on this machine",
            hint='cp(Path("page.html"), "web-0:/srv/"), or the other way round',
        )  # fmt: skip
    return found["pod"], found["path"], found["namespace"], here
