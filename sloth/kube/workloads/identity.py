"""Who the server takes somebody for: us (SelfSubjectReview), or the bearer of a token (TokenReview).

Source: kubernetes.io, "Authenticating" (API access to authentication information for a client; webhook token authentication).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sloth.errors import CredentialsError
from sloth.kube.decode import asked, dumps
from sloth.kube.wire import JSON, Call, Object, Request
from sloth.model.secret import Secret

_API = "authentication.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class User:
    """A user as the server sees it. `audiences` are those that a token is good for, of the ones that were asked about."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    audiences: tuple[str, ...] = ()


def who_am_i() -> Call[User]:
    """Who we are to the server, impersonation included. Raises ApiError."""
    found = yield from _reviewed("SelfSubjectReview", "selfsubjectreviews", {}, "ask who I am")
    return _user((found.get("status") or {}).get("userInfo") or {})


def review(token: Secret, audiences: Sequence[str] = ()) -> Call[User]:
    """Whose token that is. Raises CredentialsError if the server does not accept it, ApiError (we may not ask that)."""
    spec: dict[str, Any] = {"token": token.reveal(), **({"audiences": list(audiences)} if audiences else {})}
    status = (yield from _reviewed("TokenReview", "tokenreviews", {"spec": spec}, "review a token")).get("status") or {}
    if not status.get("authenticated"):
        raise CredentialsError(
            "kube/token-refused",
            "the cluster does not accept this token",
            detail=str(status.get("error") or "it is unknown, expired, or for other audiences"),
            hint="kubernetes.io/docs/reference/access-authn-authz/authentication",
        )
    return _user(status.get("user") or {}, status.get("audiences") or ())


def _reviewed(kind: str, plural: str, more: Object, what: str) -> Call[Object]:
    body = dumps({"apiVersion": _API, "kind": kind, **more})
    return (yield from asked(Request("POST", f"/apis/{_API}/{plural}", (), {"Content-Type": JSON}, body, what)))


def _user(info: Object, audiences: Sequence[str] = ()) -> User:
    extra = tuple((key, tuple(values or ())) for key, values in sorted((info.get("extra") or {}).items()))
    groups = tuple(info.get("groups") or ())
    return User(str(info.get("username", "")), groups, str(info.get("uid") or ""), extra, tuple(audiences))


def rows(user: User) -> list[list[str]]:
    """Two columns for people."""
    found = [["user", user.name], *([["uid", user.uid]] if user.uid else [])]
    found += [["groups", ", ".join(user.groups)]] if user.groups else []
    found += [[f"extra {key}", ", ".join(values)] for key, values in user.extra]
    return [*found, *([["audiences", ", ".join(user.audiences)]] if user.audiences else [])]
