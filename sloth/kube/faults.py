"""What the API server refuses, as failures with something to do next.

The server's `Status` object (API conventions, "Response Status Kind") gives reason, message and causes; where there is none, as
from a proxy in between, the HTTP status does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sloth.errors import KubernetesError
from sloth.kube.wire import Answer, Request

_MUCH = 600  # characters of a body that is no Status


class Cause(msgspec.Struct, frozen=True):
    """One finding of the server about one field: `spec.replicas`, `FieldValueInvalid`, what is wrong."""

    field: str
    reason: str
    message: str


class ApiError(KubernetesError):
    """The API server refused. `status` is HTTP's, `reason` the API's (`NotFound`, `Conflict` …), `causes` are fields."""

    def __init__(
        self, code: str, summary: str, *, hint: str, detail: str = "", where: str = "",
        status: int = 0, reason: str = "", causes: Sequence[Cause] = (),
    ) -> None:  # fmt: skip
        super().__init__(code, summary, hint=hint, detail=detail, where=where)
        self.status = status
        self.reason = reason
        self.causes = tuple(causes)
        if status == 401:
            self.exit = 11


class _Case(msgspec.Struct, frozen=True):
    code: str
    summary: str
    hint: str


_BY_REASON = {
    "NotFound": _Case("kube/not-found", "there is no such thing", "sloth kube get KIND --all-namespaces"),
    "AlreadyExists": _Case("kube/exists", "it is there already", "sloth kube apply -k FILE changes what is there"),
    "Conflict": _Case("kube/conflict", "somebody else changed it meanwhile", "read it again and repeat the change"),
    "Forbidden": _Case("kube/forbidden", "this user may not do that", "sloth kube can-i VERB KIND"),
    "Unauthorized": _Case("kube/unauthorized", "the cluster does not accept these credentials", "sloth kubeconfig --merge"),
    "Invalid": _Case("kube/invalid", "the object is not valid", "correct the fields that are named"),
    "BadRequest": _Case("kube/bad-request", "the request makes no sense to the server", "correct what the server names"),
    "Expired": _Case("kube/expired", "that version of the list is gone", "list again from the beginning"),
    "Gone": _Case("kube/expired", "that version of the list is gone", "list again from the beginning"),
    "TooManyRequests": _Case("kube/busy", "the cluster has too much to do", "try again in a minute"),
    "MethodNotAllowed": _Case(
        "kube/not-possible", "this kind cannot do that", "sloth kube api-resources lists what each kind can"
    ),
    "UnsupportedMediaType": _Case(
        "kube/not-possible",
        "this kind cannot do that",
        "custom resources take no strategic merge patch: use a merge patch or apply",
    ),
}
_BY_STATUS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 409: "Conflict",
    410: "Gone", 415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests",
}  # fmt: skip
_SERVER = _Case("kube/server", "the API server failed", "sloth status")


def fault(answer: Answer, request: Request) -> ApiError:
    """The failure that an answer of 400 and above means."""
    return fault_of(_status_object(answer.body), answer.status, request.what or request.target, answer.body)


def fault_of(status: dict[str, Any], http: int, what: str, body: bytes = b"") -> ApiError:
    """The same from a Status object, as watches send it within an answer of 200."""
    http = int(status.get("code") or http)
    reason = str(status.get("reason") or _BY_STATUS.get(http, ""))
    message = str(status.get("message") or body[:_MUCH].decode(errors="replace").strip() or f"HTTP {http}")
    case = _BY_REASON.get(reason) or _BY_REASON.get(_BY_STATUS.get(http, ""), _SERVER)
    if http >= 500 and "field not declared in schema" in message:
        # What server-side apply answers to an unknown field, though nothing is wrong with the server.
        case = _BY_REASON["Invalid"]
    causes = [
        Cause(str(each.get("field", "")), str(each.get("reason", "")), str(each.get("message", "")))
        for each in (status.get("details") or {}).get("causes") or ()
        if isinstance(each, dict)
    ]
    if any(cause.reason == "FieldManagerConflict" for cause in causes):
        case = _Case(
            "kube/owned", "other managers own fields that this would change", "sloth kube apply --force-conflicts takes them over"
        )
    lines = [message, *(f"{cause.field}: {cause.message}" for cause in causes if cause.message not in message)]
    return ApiError(
        case.code, f"{what}: {case.summary}", hint=case.hint, detail="\n".join(lines), status=http, reason=reason, causes=causes
    )


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}
