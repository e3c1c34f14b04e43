"""Changing rollouts: back to an earlier revision, restart, pause, resume. Each is one patch, sent as kubectl would send it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sloth.errors import UsageError
from sloth.kube.api import Api
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.revisions import NUMBER, Revision, chosen, history, workload

# The annotation that kubectl sets too, so that either tool sees what the other did.
RESTARTED = "kubectl.kubernetes.io/restartedAt"
# What belongs to the Deployment as it is now, not to the revision that comes back.
_STAY = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration", NUMBER, "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)  # fmt: skip


def undo(
    api: Api, kind: str | Resource, name: str, namespace: str | None = None, *, to: int = 0, dry_run: bool = False
) -> Call[tuple[Revision, bool]]:
    """Make the pod template what it was in revision `to` (0: the one before): that revision, and whether anything changed.

    Raises UsageError (no such revision, a paused Deployment), ApiError.
    """
    resource, item = yield from workload(api, kind, name, namespace)
    word = _word(resource, name)
    if _paused(item):
        raise _is_paused(word, "goes back to no revision")
    wanted = chosen((yield from history(api, item)), to, word)
    if _bare(wanted.template) == _bare(item["spec"]["template"]):
        return wanted, False
    if resource.kind == "Deployment":
        patch: Any = [
            {"op": "replace", "path": "/spec/template", "value": wanted.template},
            {"op": "add", "path": "/metadata/annotations", "value": _notes(item, wanted.kept_in)},
        ]
        yield from api.patch(resource, name, patch, namespace, how="json", dry_run=dry_run)
    else:
        # What a ControllerRevision keeps is this very patch: the template, with `$patch: replace` in it.
        patch = wanted.kept_in["data"]
        yield from api.patch(resource, name, patch, namespace, how="strategic", dry_run=dry_run)
    return wanted, True


def _notes(item: Object, kept_in: Object) -> dict[str, str]:
    """The annotations of the revision, but those that speak of the Deployment as it is now."""
    then, now = kept_in["metadata"].get("annotations") or {}, item["metadata"].get("annotations") or {}
    found = {key: value for key, value in then.items() if key not in _STAY}
    return found | {key: value for key, value in now.items() if key in _STAY}


def _bare(value: Any) -> Any:
    """Without empty values, which older servers wrote (`creationTimestamp: null`)."""
    if isinstance(value, dict):
        return {key: inner for key, each in value.items() if (inner := _bare(each)) not in (None, {}, [])}
    return [_bare(each) for each in value] if isinstance(value, list) else value


def restart(
    api: Api, kind: str | Resource, name: str, namespace: str | None = None, *, at: datetime, dry_run: bool = False
) -> Call[Object]:
    """Replace all pods, by the workload's own strategy: the time `at` becomes an annotation of the pod template.

    Raises UsageError (no rollouts, paused), ApiError.
    """
    resource, item = yield from workload(api, kind, name, namespace)
    if _paused(item):
        raise _is_paused(_word(resource, name), "restarts nothing")
    note = {RESTARTED: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    patch = {"spec": {"template": {"metadata": {"annotations": note}}}}
    return (yield from api.patch(resource, name, patch, namespace, dry_run=dry_run))


def pause(
    api: Api, kind: str | Resource, name: str, namespace: str | None = None, *, paused: bool = True, dry_run: bool = False
) -> Call[bool]:
    """Hold a Deployment's rollout, or let it go on: whether that changed anything. Raises UsageError, ApiError."""
    resource, item = yield from workload(api, kind, name, namespace)
    if resource.kind != "Deployment":
        raise UsageError(
            "kube/no-pause",
            f"a {resource.kind} cannot be paused",
            detail="only a Deployment has `spec.paused`",
            hint="sloth kube rollout pause deploy/NAME",
        )
    if _paused(item) == paused:
        return False
    yield from api.patch(resource, name, {"spec": {"paused": True if paused else None}}, namespace, dry_run=dry_run)
    return True


def _paused(item: Object) -> bool:
    return bool(item["kind"] == "Deployment" and item["spec"].get("paused"))


def _word(resource: Resource, name: str) -> str:
    return f"{resource.singular or resource.plural}/{name}"


def _is_paused(word: str, what: str) -> UsageError:
    return UsageError("kube/paused", f"{word} is paused: it {what}", hint=f"sloth kube rollout resume {word}")
