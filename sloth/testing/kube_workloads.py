"""What the fake API server does to workloads: the `scale` subresource, evictions under disruption budgets, and who is who.

There are no controllers: a budget's status is what a test put there, and an eviction uses up one of its allowed disruptions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sloth.kube.resource import Resource
from sloth.kube.workloads.listing import selects
from sloth.testing import kube_patch
from sloth.testing.kube_patch import Refused
from sloth.testing.kube_state import State

_SCALED = {"deployments", "replicasets", "statefulsets", "replicationcontrollers"}
_UNKNOWN = Refused(404, "NotFound", "the server could not find the requested resource")
_USERS = "/apis/authentication.k8s.io/v1/"


def scale(
    state: State, resource: Resource, live: dict[str, Any], *, method: str, body: bytes, manager: str, dry: bool
) -> dict[str, Any]:
    """The Scale of an object, after the change if there is one. Raises Refused."""
    if resource.plural not in _SCALED:
        raise _UNKNOWN
    if method != "GET":
        before = _scale_of(live)
        asked = json.loads(body) if method == "PUT" else kube_patch.merge_patch(before, json.loads(body))
        version = asked["metadata"].get("resourceVersion")
        item = {**live, "spec": {**live["spec"], "replicas": asked["spec"]["replicas"]}}
        item["metadata"] = {**live["metadata"], **({"resourceVersion": version} if version else {})}
        meta = live["metadata"]
        live = state.update(resource, meta["namespace"], meta["name"], item, manager, dry=dry)
    return _scale_of(live)


def _scale_of(item: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {key: item["metadata"][key] for key in kept},
        "spec": {"replicas": item["spec"].get("replicas", 1)},
        "status": {"replicas": (item.get("status") or {}).get("replicas", 0)},
    }


def evict(state: State, resource: Resource, pod: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Delete a pod if its budget lets it go. Raises Refused: 429 if not, 500 if it has two budgets."""
    meta, options = pod["metadata"], asked.get("deleteOptions") or {}
    for key, value in (options.get("preconditions") or {}).items():
        if meta.get(key) != value:
            raise Refused(409, "Conflict", f"the {key} in the precondition ({value}) does not match")
    if (pod.get("status") or {}).get("phase") == "Running":  # of others a budget counts nothing
        _use_budget(state, meta, dry=bool(options.get("dryRun")))
    state.delete(resource, meta["namespace"], meta["name"], options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _use_budget(state: State, meta: Mapping[str, Any], *, dry: bool) -> None:
    kind = state.resource("policy", "v1", "poddisruptionbudgets")
    budgets = [
        each for each in state.listed(kind, meta["namespace"]) if selects(each["spec"].get("selector"), meta.get("labels") or {})
    ]
    if len(budgets) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise Refused(500, "", text)
    for each in budgets:
        status, name = each.get("status") or {}, each["metadata"]["name"]
        allowed = status.get("disruptionsAllowed", 0)
        if allowed < 1:
            have, need = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
            why = f"The disruption budget {name} needs {need} healthy pods and has {have} currently"
            causes = [{"reason": "DisruptionBudget", "message": why, "field": ""}]
            text = "Cannot evict pod as it would violate the pod's disruption budget."
            raise Refused(429, "TooManyRequests", text, causes)
        if not dry:
            used = {**each, "status": {**status, "disruptionsAllowed": allowed - 1}}
            state.update(kind, meta["namespace"], name, used, "kube-apiserver")


def reviews(state: State, path: str, document: Mapping[str, Any], user: str) -> dict[str, Any] | None:
    """SelfSubjectReview, TokenReview and SelfSubjectRulesReview; None for any other path."""
    if path == "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews":
        every = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        rules = {"resourceRules": [every], "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}], "incomplete": False}
        return {**document, "status": rules}
    if path == f"{_USERS}selfsubjectreviews":
        return {**document, "status": {"userInfo": _info(user)}}
    if path != f"{_USERS}tokenreviews":
        return None
    spec = document.get("spec") or {}
    found = state.users.get(spec.get("token", ""))
    if found is None:
        return {**document, "status": {"user": {}, "error": "[invalid bearer token, unknown token]"}}
    return {**document, "status": {"authenticated": True, "user": _info(found)}}


def _info(user: str) -> dict[str, Any]:
    return {"username": user, "groups": ["system:authenticated"]}
