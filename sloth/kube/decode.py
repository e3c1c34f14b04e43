"""Bytes to objects and back. Decoding is msgspec's, into plain dicts."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from sloth.errors import KubernetesError
from sloth.kube.faults import fault
from sloth.kube.wire import Answer, Call, Object, Request, ask

T = TypeVar("T")
_DECODER = msgspec.json.Decoder(dict[str, Any])


def loads(body: bytes | msgspec.Raw) -> Object:
    """One JSON object. Raises KubernetesError for anything else."""
    return decoded(_DECODER, body)


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """What a decoder makes of it. Raises KubernetesError for anything else."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KubernetesError(
            "kube/not-an-api",
            "the answer is no object of the Kubernetes API",
            detail=str(error),
            hint="sloth kube get nodes --context NAME",
        ) from error


def dumps(value: object) -> bytes:
    """JSON for the server."""
    return msgspec.json.encode(value)


def ok(answer: Answer, request: Request) -> Answer:
    """The answer, if the server did what was asked. Raises ApiError."""
    if answer.status >= 400:
        raise fault(answer, request)
    return answer


def document(answer: Answer) -> Object:
    """The object in an answer."""
    return loads(answer.body) if answer.found is None else answer.found


def members(found: Object) -> tuple[Object, list[Object]]:
    """Metadata and items of a list. Raises KubernetesError where they, or what the items are, have not the form of the API."""
    meta, items = found.get("metadata") or {}, found.get("items") or []
    if (
        not isinstance(meta, dict)
        or not isinstance(items, list)
        or not all(isinstance(item, dict) and isinstance(item.get("metadata", {}), dict) for item in items)
    ):
        raise KubernetesError(
            "kube/not-an-api",
            "the answer is no list of the Kubernetes API",
            detail="`metadata`, `items` or an item in it is not of the form that it has to have",
            hint="sloth kube get nodes --context NAME",
        )
    return meta, items


def asked(request: Request) -> Call[Object]:
    """Send, and give the object that comes back. Raises ApiError, KubernetesError."""
    answer = yield from ask(request)
    return document(ok(answer, request))
