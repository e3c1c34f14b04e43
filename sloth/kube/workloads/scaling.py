"""Changing how many replicas there are, through the `scale` subresource that every scalable kind has (custom kinds too)."""

from __future__ import annotations

from collections.abc import Sequence

from sloth.errors import KubernetesError, UsageError, raise_all
from sloth.kube.api import Api
from sloth.kube.decode import asked, document, dumps
from sloth.kube.faults import ApiError, fault
from sloth.kube.resource import Resource
from sloth.kube.wire import JSON, MERGE_PATCH, Call, Object, Request, ask_all

_TRIES = 5  # looks at an object that others change at the same time


def scale(
    api: Api, kind: str | Resource, name: str, replicas: int, namespace: str | None = None, *,
    current: int | None = None, version: str = "", dry_run: bool = False,
) -> Call[Object]:  # fmt: skip
    """Set the replicas: the Scale object after that.

    With `current` or `version` only if the object has so many replicas, or is of that resource version. Raises KubernetesError
    (it has another number), UsageError (the kind has no replicas), ApiError.
    """
    resource = yield from api.kinds.find(kind)
    place = api.place(resource, namespace)
    path, what = resource.path(place, name, "scale"), resource.words("scale", place, name)
    tried = 0
    while True:
        tried += 1
        if current is None and not version:
            request = _patch(api, path, replicas, what, dry_run)
        else:
            before = yield from _scale(api, resource, name, namespace)
            _check(before, current, replicas, resource)
            request = Request(
                "PUT", path, _query(api, dry_run), {"Content-Type": JSON}, dumps(_scaled(before, replicas, version)), what
            )
        try:
            return (yield from asked(request))
        except ApiError as error:
            if error.code == "kube/conflict" and not version and tried < _TRIES:
                continue  # something else of the object changed, mostly its status: look again
            raise (yield from _reason(api, resource, name, namespace, error)) from error


def _check(before: Object, current: int | None, replicas: int, resource: Resource) -> None:
    have = int((before.get("spec") or {}).get("replicas") or 0)
    if current is not None and have != current:
        name = before["metadata"]["name"]
        raise KubernetesError(
            "kube/other-scale",
            f"{resource.singular or resource.plural}/{name} has {have} replicas, not {current}: nothing was changed",
            hint=f"sloth kube scale {resource.plural}/{name} --replicas {replicas} --current-replicas {have}",
        )


def _scaled(before: Object, replicas: int, version: str) -> Object:
    meta = {**before["metadata"], **({"resourceVersion": version} if version else {})}
    return {**before, "metadata": meta, "spec": {**(before.get("spec") or {}), "replicas": replicas}}


def scale_all(
    api: Api, targets: Sequence[tuple[Resource, str, str]], replicas: int, *, dry_run: bool = False
) -> Call[list[Object]]:
    """The same for several (resource, namespace, name) side by side. All are tried; raises ApiError, ManyErrors."""
    requests = [
        _patch(api, kind.path(place, name, "scale"), replicas, kind.words("scale", place, name), dry_run)
        for kind, place, name in targets
    ]
    answers = yield from ask_all(requests)
    failed = []
    for (kind, place, name), answer, request in zip(targets, answers, requests, strict=True):
        if answer.status >= 400:
            failed.append((yield from _reason(api, kind, name, place or None, fault(answer, request))))
    raise_all(f"{len(failed)} of {len(targets)} objects were not scaled", failed)
    return [document(answer) for answer in answers]


def _query(api: Api, dry_run: bool) -> tuple[tuple[str, str], ...]:
    return (("fieldManager", api.manager), *((("dryRun", "All"),) if dry_run else ()))


def _patch(api: Api, path: str, replicas: int, what: str, dry_run: bool) -> Request:
    body = dumps({"spec": {"replicas": replicas}})
    return Request("PATCH", path, _query(api, dry_run), {"Content-Type": MERGE_PATCH}, body, what)


def _scale(api: Api, resource: Resource, name: str, namespace: str | None) -> Call[Object]:
    try:
        return (yield from api.get(resource, name, namespace, subresource="scale"))
    except ApiError as error:
        raise (yield from _reason(api, resource, name, namespace, error)) from error


def _reason(api: Api, resource: Resource, name: str, namespace: str | None, error: ApiError) -> Call[ApiError | UsageError]:
    """A server says 404 both to an object that is not there and to a kind that has no replicas."""
    if error.status not in (404, 405):
        return error
    try:
        yield from api.get(resource, name, namespace)
    except ApiError:
        return error
    return UsageError(
        "kube/not-scalable",
        f"a {resource.kind} has no replicas that could be set",
        detail=error.detail,
        hint="sloth kube scale deploy/NAME --replicas N",
    )
