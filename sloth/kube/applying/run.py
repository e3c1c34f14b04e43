"""Carrying a plan out: stage by stage, the inventory widened before and narrowed after, deletions last and only if all went
well.
"""

from __future__ import annotations

from collections.abc import Sequence

from sloth.errors import KubernetesError, SlothError, raise_all
from sloth.kube.api import Api, Propagation
from sloth.kube.applying.compare import optional
from sloth.kube.applying.inventory import Entry, parent
from sloth.kube.applying.plan import ApplySet, Change, Plan, entry_of
from sloth.kube.decode import document, ok
from sloth.kube.faults import ApiError
from sloth.kube.wire import Call, Object, Pause, ask_all

_TRIES, _EVERY = 240, 0.25  # a minute for a custom kind to be served


def carry_out(api: Api, plan: Plan, chosen: ApplySet | None = None, *, force: bool = False) -> Call[list[Entry]]:
    """Make the plan true, and give the members. Raises ApiError, or ManyErrors of all objects of the stage that failed."""
    given = [each for each in plan.changes if each.object is not None]
    gone = [each for each in plan.changes if each.action == "delete"]
    now = [each.entry for each in given]
    if chosen:
        # Before anything is made: what a run that is killed leaves behind is known to the next one.
        yield from _write(api, chosen, _union(plan.before, now), plan.before)
    done: list[Entry] = []
    for stage in sorted({each.stage for each in given}):
        done += yield from _stage(api, [each for each in given if each.stage == stage], force=force)
    if chosen:
        left = [each for each in plan.before if each.key not in {x.key for x in now}]
        widest = _union(left, done)
        yield from _write(api, chosen, widest, _union(plan.before, now))
        yield from _delete(api, gone)
        removed = {each.entry.key for each in gone}
        yield from _write(api, chosen, _union([each for each in left if each.key not in removed], done), widest)
    return done


def _union(first: Sequence[Entry], second: Sequence[Entry]) -> list[Entry]:
    return list({each.key: each for each in (*first, *second)}.values())


def _write(api: Api, chosen: ApplySet, entries: Sequence[Entry], before: Sequence[Entry]) -> Call[None]:
    """Write the list, unless it says so already."""
    if not before or sorted(entries) != sorted(before):
        yield from api.apply(parent(chosen.name, chosen.namespace, entries), force=True)


def _stage(api: Api, changes: Sequence[Change], *, force: bool) -> Call[list[Entry]]:
    """Apply these side by side; custom kinds are waited for."""
    sent = [change for change in changes if not change.settled]
    yield from _clear(api, [change for change in sent if change.action == "recreate"])
    requests = []
    for change in sent:
        requests.append((yield from api.apply_request(change.object or {}, force=force)))
    answers = yield from ask_all(requests)
    failed: list[SlothError] = []
    done = [change.entry for change in changes if change.settled]
    for change, request, answer in zip(sent, requests, answers, strict=True):
        try:
            found = document(ok(answer, request))
        except ApiError as error:
            error.where = change.where
            failed.append(error)
        else:
            done.append(entry_of(found, found))
    raise_all("not everything could be applied", failed)
    for change in changes:
        if change.entry.kind == "CustomResourceDefinition":
            yield from _served(api, change)
    return done


def _clear(api: Api, changes: Sequence[Change]) -> Call[None]:
    """Delete what is made anew, and wait until it is gone, what it owns included. Raises KubernetesError, ApiError."""
    for change in changes:
        entry = change.entry
        # Pods of the old object that are left would be taken for the new one's, or hold its names.
        owner = entry.group in ("apps", "batch")
        how: Propagation = "Foreground" if owner else "Background"
        yield from _gone(api.delete(entry.resource, entry.name, entry.namespace, propagation=how, uid=entry.uid))
    for change in changes:
        entry = change.entry
        for _ in range(_TRIES):
            found = yield from optional(api, entry.resource, entry.name, entry.namespace)
            if found is None or found["metadata"].get("uid") != entry.uid:
                break
            yield Pause(_EVERY)
        else:
            raise KubernetesError(
                "kube/not-gone",
                f"{entry.kind} {entry.name} was deleted to be made anew, and is still there after {_TRIES * _EVERY:g} s",
                detail="something holds it: its finalizers, or pods that do not end; it was not made anew",
                where=change.where,
                hint=f"sloth kube get {entry.resource.rpartition('/')[2]} {entry.name} --output yaml; then apply again",
            )


def _gone(deletion: Call[Object]) -> Call[None]:
    """Carry a deletion out; that there is nothing is well."""
    try:
        yield from deletion
    except ApiError as error:
        if error.status != 404:
            raise


def _served(api: Api, change: Change) -> Call[None]:
    """Wait until a custom kind is established and discovery tells of it. Raises KubernetesError."""
    spec = (change.object or {})["spec"]
    plural, group = spec["names"]["plural"], spec["group"]
    for _ in range(_TRIES):
        found = yield from api.kinds.all(fresh=True)
        if any((each.plural, each.group) == (plural, group) for each in found):
            return
        yield Pause(_EVERY)
    raise KubernetesError(
        "kube/not-served",
        f"the kind {plural}.{group} was defined, and the cluster does not serve it",
        hint=f"sloth kube get crd {change.entry.name} --output yaml",
    )


def _delete(api: Api, gone: Sequence[Change]) -> Call[None]:
    """One after the other, each only if it is still that very object."""
    for each in gone:
        entry = each.entry
        yield from _gone(api.delete(entry.resource, entry.name, entry.namespace, uid=entry.uid))
