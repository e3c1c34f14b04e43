"""`describe`: one object with everything around it that says how it does, its events last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sloth.kube.api import Api
from sloth.kube.faults import ApiError
from sloth.kube.kstatus import health
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.describe_parts import node, pod, service
from sloth.kube.workloads.describe_workloads import workload
from sloth.kube.workloads.happenings import HEAD, About, events, row
from sloth.kube.workloads.listing import controller
from sloth.kube.workloads.prose import Prose, notes
from sloth.kube.workloads.times import age

_SHOWN = 20  # events, the latest
_HEAD = ("apiVersion", "kind", "metadata")


def describe(api: Api, kind: str | Resource, name: str, namespace: str | None = None, *, now: datetime) -> Call[str]:
    """The object in words. Raises ApiError; what may not be read around it is left out and said."""
    resource = yield from api.kinds.find(kind)
    item = yield from api.get(resource, name, namespace)
    prose = Prose()
    _head(prose, item, now)
    if resource.group == "" and resource.kind == "Secret":
        _secret(prose, item)
    else:
        special = _SPECIAL.get((resource.group, resource.kind))
        if special:
            yield from special(api, item, prose, now)
        else:
            _anything(prose, item)
    _conditions(prose, item, now)
    yield from _events(api, resource, item, prose, now)
    return prose.text


_SPECIAL: dict[tuple[str, str], Callable[[Api, Object, Prose, datetime], Call[None]]] = {
    ("", "Pod"): pod,
    ("", "Node"): node,
    ("", "Service"): service,
    **{("apps", kind): workload for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")},
    ("batch", "Job"): workload,
}


def _head(prose: Prose, item: Object, now: datetime) -> None:
    meta, owner, state = item["metadata"], controller(item), health(item)
    prose.fields(
        [
            ("Name", meta["name"]),
            ("Namespace", meta.get("namespace")),
            ("Kind", f"{item['kind']} ({item['apiVersion']})"),
            ("Age", f"{age(meta.get('creationTimestamp'), now)} ({meta.get('creationTimestamp')})"),
            ("Labels", meta.get("labels")),
            ("Annotations", notes(item)),
            ("Controlled by", f"{owner['kind']} {owner['name']}" if owner else ""),
            ("Being deleted", meta.get("deletionTimestamp")),
            ("Finalizers", meta.get("finalizers")),
            ("State", f"{state.word}{f': {state.why}' if state.why else ''}"),
        ]
    )


def _secret(prose: Prose, item: Object) -> None:
    """Never a value: how long each is."""
    prose.fields([("Type", item.get("type")), ("Immutable", item.get("immutable"))])
    data = item.get("data") or {}
    prose.table("Data", [["KEY", "BYTES"], *([key, _bytes(value)] for key, value in sorted(data.items()))])


def _bytes(text: Any) -> int:
    import base64

    return len(base64.b64decode(str(text or ""), validate=False))


def _anything(prose: Prose, item: Object) -> None:
    """Every other field; conditions have their own table."""
    for key, value in item.items():
        if key in _HEAD:
            continue
        title = key[:1].upper() + key[1:]
        if key == "status" and isinstance(value, dict):
            prose.tree(title, {name: inner for name, inner in value.items() if name != "conditions"})
        elif isinstance(value, dict | list):
            prose.tree(title, value)
        else:
            prose.fields([(title, value)])


def _conditions(prose: Prose, item: Object, now: datetime) -> None:
    listed = (item.get("status") or {}).get("conditions") or ()
    rows: list[list[object]] = [["CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"]]
    for each in listed:
        if isinstance(each, dict):
            since = age(each.get("lastTransitionTime"), now) if each.get("lastTransitionTime") else ""
            rows.append([each.get("type"), each.get("status"), since, each.get("reason", ""), each.get("message", "")])
    prose.table("Conditions", rows)


def _events(api: Api, resource: Resource, item: Object, prose: Prose, now: datetime) -> Call[None]:
    meta = item["metadata"]
    # A node's events carry its name as their uid: it is the name that counts there.
    about = About(resource, meta["name"], "" if resource.kind == "Node" else str(meta["uid"]))
    try:
        found = yield from events(api, meta.get("namespace"), about=about)
    except ApiError as error:
        prose.fields([("Events", error.summary)])
        return
    head = [word for word in HEAD if word != "OBJECT"]
    rows = [[*cells[:3], cells[4]] for cells in (row(each, now) for each in found[-_SHOWN:])]
    prose.table("Events", [head, *rows])
    if not found:
        prose.fields([("Events", "none")])
