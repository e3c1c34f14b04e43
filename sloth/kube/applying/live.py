"""What the cluster has of the objects that a plan is about, in as few requests as their number allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sloth.kube.api import PAGE
from sloth.kube.decode import document, ok
from sloth.kube.resource import Resource
from sloth.kube.wire import Answer, Call, Object, Request, ask_all

MANY = 8  # objects of one kind and namespace from which on a list is cheaper than single reads
Target: TypeAlias = tuple[Resource, str, str]  # namespace, name


def look(targets: Sequence[Target]) -> Call[list[Object | None]]:
    """Each object, None where there is none. Raises ApiError.

    Of many of one kind in one namespace a single page is read; whatever is not on it, or may not be listed, is read by name.
    """
    groups: dict[tuple[Resource, str], list[int]] = {}
    for at, (resource, namespace, _) in enumerate(targets):
        groups.setdefault((resource, namespace), []).append(at)
    lists = [(key, ats) for key, ats in groups.items() if len(ats) >= MANY]
    answers = yield from ask_all([_page(resource, namespace) for (resource, namespace), _ in lists])
    found: dict[int, Object | None] = {}
    for ((resource, _), ats), answer in zip(lists, answers, strict=True):
        found |= _on_page(targets, ats, resource, answer)
    single = [at for at in range(len(targets)) if at not in found]
    requests = [_read(*targets[at]) for at in single]
    for at, request, answer in zip(single, requests, (yield from ask_all(requests)), strict=True):
        found[at] = None if answer.status == 404 else document(ok(answer, request))
    return [found[at] for at in range(len(targets))]


def _page(resource: Resource, namespace: str) -> Request:
    return Request("GET", resource.path(namespace), (("limit", str(PAGE)),), what=resource.words("list", namespace))


def _read(resource: Resource, namespace: str, name: str) -> Request:
    return Request("GET", resource.path(namespace, name), what=resource.words("get", namespace, name))


def _on_page(targets: Sequence[Target], ats: Sequence[int], resource: Resource, answer: Answer) -> dict[int, Object | None]:
    """What the page tells of these: objects, and that there is none if it is the whole list. Nothing if it was refused."""
    if answer.status >= 400:
        return {}  # who may not list may still read by name
    listing = document(answer)
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    by_name = {item["metadata"]["name"]: {**head, **item} for item in listing.get("items") or ()}
    whole = not (listing.get("metadata") or {}).get("continue")
    return {at: by_name.get(targets[at][2]) for at in ats if whole or targets[at][2] in by_name}
