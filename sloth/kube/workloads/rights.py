"""What we may do in a namespace (SelfSubjectRulesReview; kubernetes.io, API reference, authorization.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sloth.kube.decode import asked, dumps
from sloth.kube.wire import JSON, Call, Request

_PATH = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on kinds (`deployments.apps`, `pods/log`), perhaps of certain names only, or on paths."""

    verbs: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rights:
    """All of them. `incomplete` says why there may be more: not every authorizer can list what it allows."""

    rights: tuple[Right, ...]
    incomplete: str = ""


def rights(namespace: str) -> Call[Rights]:
    """What the server says that we may do there. Raises ApiError."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    request = Request("POST", _PATH, (), {"Content-Type": JSON}, dumps(review), f"ask what I may do in {namespace}")
    status = (yield from asked(request)).get("status") or {}
    found = [_of_kinds(rule) for rule in status.get("resourceRules") or ()]
    found += [
        Right(tuple(rule.get("verbs") or ()), paths=tuple(rule.get("nonResourceURLs") or ()))
        for rule in status.get("nonResourceRules") or ()
    ]
    why = str(status.get("evaluationError") or "an authorizer of the cluster cannot list what it allows")
    return Rights(tuple(dict.fromkeys(found)), why if status.get("incomplete") else "")


def _of_kinds(rule: Mapping[str, Any]) -> Right:
    kinds = tuple(
        f"{kind}.{group}" if group else kind for group in rule.get("apiGroups") or ("",) for kind in rule.get("resources") or ()
    )
    return Right(tuple(rule.get("verbs") or ()), kinds, tuple(rule.get("resourceNames") or ()))


def rows(found: Iterable[Right]) -> list[list[str]]:
    """RESOURCE, NAMES, VERBS: what several rules say of the same is one row, paths last."""
    merged: dict[tuple[bool, str, tuple[str, ...]], dict[str, None]] = {}
    for each in found:
        for is_path, words in ((False, each.kinds), (True, each.paths)):
            for word in words:
                merged.setdefault((is_path, word, each.names), {}).update(dict.fromkeys(each.verbs))
    lines = [[word, ",".join(names), _verbs(list(verbs))] for (_, word, names), verbs in sorted(merged.items())]
    return [["RESOURCE", "NAMES", "VERBS"], *lines]


def _verbs(verbs: Sequence[str]) -> str:
    return "*" if "*" in verbs else ",".join(verbs)
