"""What applying a set of manifests would do: the server is asked object by object, by dry runs, and nothing is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sloth.errors import UsageError
from sloth.kube.api import Api
from sloth.kube.decode import document, dumps, ok
from sloth.kube.difference import Field, difference
from sloth.kube.faults import ApiError
from sloth.kube.inventory import KEEP, PART_OF, Entry, members, set_id
from sloth.kube.manifests import Manifest
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Object, Request, ask_all

Action = Literal["create", "change", "same", "delete", "keep"]
_STAGES = (
    {"Namespace", "CustomResourceDefinition"},
    {"ClusterRole", "StorageClass", "PriorityClass", "RuntimeClass", "IngressClass"},
)
_GUARDED = {"Namespace", "CustomResourceDefinition"}  # with them go objects that nobody listed


@dataclass(frozen=True, slots=True)
class ApplySet:
    """A named apply set: its ConfigMap, what of it may be deleted. `prune` false: nothing."""

    name: str
    namespace: str
    prune: bool = False
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One object and what becomes of it. `predicted`: its kind or namespace is only made by this very apply.

    `settled`: the object and its owners are as they would be afterwards, so nothing needs to be sent.
    """

    action: Action
    entry: Entry
    fields: tuple[Field, ...] = ()
    where: str = ""
    predicted: bool = False
    object: Object | None = None
    settled: bool = False

    @property
    def stage(self) -> int:
        """Its turn."""
        return stage(self.entry.kind)


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes, in the order in which they are made; `before` is the set as it was."""

    changes: tuple[Change, ...]
    before: tuple[Entry, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of what would be sent and deleted: equal digests, equal plans."""
        said = [
            [each.action, *each.entry.key, each.object, [[x.path, x.before, x.after] for x in each.fields]]
            for each in self.changes
        ]
        return hashlib.sha256(dumps(said)).hexdigest()


def stage(kind: str) -> int:
    """Namespaces and custom kinds, then what others refer to, then the rest."""
    return next((at for at, kinds in enumerate(_STAGES) if kind in kinds), len(_STAGES))


def make_plan(api: Api, manifests: Sequence[Manifest], chosen: ApplySet | None = None, *, force: bool = False) -> Call[Plan]:
    """Compare with the cluster. Raises ApiError (what the server says to a dry run), UsageError (a kind that nobody has)."""
    ordered = sorted(manifests, key=lambda each: stage(each.object["kind"]))
    coming = {_group_kind(each.object["spec"]) for each in ordered if each.object["kind"] == "CustomResourceDefinition"}
    spaces = {each.name for each in ordered if each.object["kind"] == "Namespace"}
    pairs: list[tuple[Manifest, Resource | None]] = []
    for each in ordered:
        pairs.append((each, (yield from _resource(api, each, coming))))
    known = [(each, resource) for each, resource in pairs if resource]
    items = {id(each): _item(api, each, resource, chosen) for each, resource in pairs}
    live = yield from _live(api, [(items[id(each)], resource) for each, resource in known])
    tried: list[tuple[int, Request]] = []
    for at, (each, resource) in enumerate(known):
        if live[at] is None and resource.namespaced and items[id(each)]["metadata"]["namespace"] in spaces:
            continue  # its namespace may not be there yet: nothing to ask
        tried.append((at, (yield from api.apply_request(items[id(each)], force=force, dry_run=True))))
    answers = yield from ask_all([request for _, request in tried])
    after = {at: document(ok(answer, request)) for (at, request), answer in zip(tried, answers, strict=True)}
    found = {id(each): _change(each, items[id(each)], live[at], after.get(at)) for at, (each, _) in enumerate(known)}
    changes = [found.get(id(each)) or _change(each, items[id(each)], None, None) for each in ordered]
    before: list[Entry] = []
    if chosen:
        before = members((yield from optional(api, "configmaps", chosen.name, chosen.namespace)))
        if chosen.prune:
            changes += yield from _pruned(api, before, {each.entry.key for each in changes}, chosen)
    return Plan(tuple(changes), tuple(before))


def _group_kind(spec: Object) -> tuple[str, str]:
    return str(spec.get("group", "")), str((spec.get("names") or {}).get("kind", ""))


def _resource(api: Api, each: Manifest, coming: set[tuple[str, str]]) -> Call[Resource | None]:
    group = each.object["apiVersion"].rpartition("/")[0]
    try:
        return (yield from api.kinds.find(each.kind))
    except UsageError:
        if (group, each.object["kind"]) in coming:
            return None
        raise


def _item(api: Api, each: Manifest, resource: Resource | None, chosen: ApplySet | None) -> Object:
    """The object as it is sent: with its namespace, and the label of its set."""
    meta = dict(each.object["metadata"])
    if resource and resource.namespaced:
        meta["namespace"] = each.namespace or api.namespace
    if chosen:
        meta["labels"] = {**(meta.get("labels") or {}), PART_OF: set_id(chosen.name, chosen.namespace)}
    return {**each.object, "metadata": meta}


def _live(api: Api, items: Sequence[tuple[Object, Resource]]) -> Call[list[Object | None]]:
    requests = [
        Request(
            "GET",
            resource.path(item["metadata"].get("namespace", ""), item["metadata"]["name"]),
            what=resource.words("get", item["metadata"].get("namespace", ""), item["metadata"]["name"]),
        )
        for item, resource in items
    ]
    answers = yield from ask_all(requests)
    return [
        None if answer.status == 404 else document(ok(answer, request)) for answer, request in zip(answers, requests, strict=True)
    ]


def _change(each: Manifest, item: Object, live: Object | None, after: Object | None) -> Change:
    fields = difference(live, after or item)
    action: Action = "create" if live is None else "change" if fields else "same"
    settled = action == "same" and after is not None and _owners(live) == _owners(after)
    return Change(action, entry_of(item, live), fields if live else (), each.where, after is None, item, settled)


def _owners(item: Object | None) -> list[Object]:
    """Who owns which fields, without when."""
    listed = ((item or {}).get("metadata") or {}).get("managedFields") or []
    return [{key: value for key, value in each.items() if key != "time"} for each in listed]


def entry_of(item: Object, live: Object | None = None) -> Entry:
    """The member that an object is."""
    group, _, version = item["apiVersion"].rpartition("/")
    meta = item["metadata"]
    uid = str(((live or {}).get("metadata") or {}).get("uid", ""))
    return Entry(group, version, item["kind"], meta.get("namespace", ""), meta["name"], uid)


def optional(api: Api, kind: str | Resource, name: str, namespace: str | None = None) -> Call[Object | None]:
    """An object, or None if there is none. Raises ApiError for anything else."""
    try:
        return (yield from api.get(kind, name, namespace))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _pruned(api: Api, before: Sequence[Entry], now: set[tuple[str, str, str, str]], chosen: ApplySet) -> Call[list[Change]]:
    """Former members that are no more, last stages first; only what is still ours, and nothing that asks to be kept."""
    found = []
    label = set_id(chosen.name, chosen.namespace)
    for entry in sorted((each for each in before if each.key not in now), key=lambda each: -stage(each.kind)):
        try:
            live = yield from optional(api, entry.resource, entry.name, entry.namespace)
        except UsageError:
            continue  # its kind is gone, and it with it
        if live is None:
            continue
        meta = live["metadata"]
        ours = (meta.get("labels") or {}).get(PART_OF) == label and entry.uid in ("", meta["uid"])
        kept = (meta.get("annotations") or {}).get(KEEP) == "true" or (entry.kind in _GUARDED and not chosen.guarded)
        if ours:
            found.append(Change("keep" if kept else "delete", entry_of(live, live)))
    return found
