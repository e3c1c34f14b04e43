"""Whole lists and single objects inside calls."""

from __future__ import annotations

from collections.abc import Iterable

from sloth.kube.api import Api, Select
from sloth.kube.decode import document, ok
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Object, Request, ask_all


def listed(
    api: Api, kind: str | Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
) -> Call[list[Object]]:
    """All objects of a kind, page after page. Raises ApiError."""
    found: list[Object] = []
    token = ""
    while True:
        page = yield from api.page(kind, namespace, select=Select(labels, fields), token=token)
        found += page.items
        token = page.token
        if not token:
            return found


def looked_up(wanted: Iterable[tuple[Resource, str, str]]) -> Call[list[Object | None]]:
    """Objects by (resource, namespace, name), None for each that is not there. Raises ApiError for any other refusal."""
    requests = [Request("GET", kind.path(place, name), what=kind.words("get", place, name)) for kind, place, name in wanted]
    answers = yield from ask_all(requests)
    return [
        None if answer.status == 404 else document(ok(answer, request)) for answer, request in zip(answers, requests, strict=True)
    ]


def controller(item: Object) -> Object | None:
    """The owner reference of the one that manages this object, if any does."""
    owners = (item.get("metadata") or {}).get("ownerReferences") or ()
    return next((each for each in owners if each.get("controller")), None)


def selector_text(selector: Object) -> str:
    """A LabelSelector in the words of a query: `app=web,tier in (a,b)`."""
    words = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, operator, values = each.get("key", ""), each.get("operator", ""), ",".join(each.get("values") or ())
        words.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}[operator]
        )
    return ",".join(words)


def selects(selector: Object | None, labels: Object) -> bool:
    """Whether a LabelSelector takes these labels: an empty one takes all, none at all takes nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or ())


def _holds(each: Object, labels: Object) -> bool:
    inside, there = labels.get(each["key"]) in (each.get("values") or ()), each["key"] in labels
    return {"In": inside, "NotIn": not inside, "Exists": there, "DoesNotExist": not there}[each["operator"]]
