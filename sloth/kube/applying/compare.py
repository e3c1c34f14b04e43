"""Comparing manifests with the cluster: the server is asked by dry runs where the answer is not plain, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sloth.errors import SlothError, UsageError, raise_all
from sloth.kube.api import Api
from sloth.kube.applying.difference import difference, fingerprint
from sloth.kube.applying.inventory import KEEP, PART_OF, Entry, members, set_id
from sloth.kube.applying.live import look
from sloth.kube.applying.manifests import Manifest
from sloth.kube.applying.plan import GUARDED, Action, ApplySet, Change, Plan, entry_of, stage
from sloth.kube.applying.refusals import for_good, immutable, located, may_recreate, reasons
from sloth.kube.applying.unchanged import unchanged
from sloth.kube.decode import document, dumps, ok
from sloth.kube.faults import ApiError
from sloth.kube.resource import Resource
from sloth.kube.wire import JSON, Call, Object, Request, ask_all


def make_plan(
    api: Api, manifests: Sequence[Manifest], chosen: ApplySet | None = None, *, force: bool = False, recreate: bool = False,
    at_once: bool = False,
) -> Call[Plan]:  # fmt: skip
    """Compare with the cluster; every object that is refused is told of, each with its line.

    `at_once`: the plan is carried out right away, so where all of it is new, and nothing could be spoiled half-way, dry runs are
    left out.

    Raises ApiError (what the server says to a dry run), KubernetesError (`kube/immutable`), UsageError (a kind that nobody
    has), or ManyErrors of them.
    """
    ordered = sorted(manifests, key=lambda each: stage(each.object["kind"]))
    coming = dict(_coming(each.object["spec"]) for each in ordered if each.object["kind"] == "CustomResourceDefinition")
    spaces = {each.name for each in ordered if each.object["kind"] == "Namespace"}
    works: list[_Work] = []
    for each in ordered:
        resource = yield from _resource(api, each, coming)
        namespaced = resource.namespaced if resource else coming[_group_kind(each)]
        works.append(_Work(each, resource, _item(api, each, namespaced, chosen)))
    known = [work for work in works if work.resource]
    found = yield from look([(work.resource, work.namespace, work.manifest.name) for work in known if work.resource])
    for work, live in zip(known, found, strict=True):
        work.live = live
        work.proved = live is not None and unchanged(work.item, live, api.manager)
    before, gone = yield from _leaving(api, chosen, {entry_of(work.item).key for work in works})
    asked = [work for work in known if not work.proved and (work.live or work.namespace not in spaces)]
    if at_once and not gone and not any(work.live for work in works):
        for work in asked:
            work.untried = True
    else:
        yield from _try(api, asked, force=force, recreate=recreate)
    changes = [work.change() for work in works]
    return Plan((*changes, *gone), tuple(before))


def _leaving(
    api: Api, chosen: ApplySet | None, now: set[tuple[str, str, str, str]]
) -> Call[tuple[list[Entry], list[Change]]]:  # fmt: skip
    """The set as it was, and what leaves it."""
    if chosen is None:
        return [], []
    before = members((yield from optional(api, "configmaps", chosen.name, chosen.namespace)))
    return before, (yield from _pruned(api, before, now, chosen)) if chosen.prune else []


@dataclass(slots=True)
class _Work:
    """One object on its way through the plan. `after`: as a dry run gave it; `proved`: nothing would change, without asking;
    `untried`: it is new, and made without a dry run.
    """

    manifest: Manifest
    resource: Resource | None
    item: Object
    live: Object | None = None
    after: Object | None = None
    proved: bool = False
    untried: bool = False
    why: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        """Where it goes; empty for kinds of the whole cluster."""
        return str(self.item["metadata"].get("namespace", "")) if self.resource and self.resource.namespaced else ""

    def change(self) -> Change:
        """What becomes of it."""
        live, after = self.live, self.after
        if self.proved:
            mark = fingerprint(live, live) if live else ""
            return Change("same", entry_of(self.item, live), (), self.manifest.where, False, self.item, True, (), mark)
        fields = difference(live, after or self.item)
        if self.why:
            mentioned = tuple(each for each in fields if each.after)
            mark = fingerprint(live, self.item)
            return Change(
                "recreate", entry_of(self.item, live), mentioned, self.manifest.where, False, self.item, False, self.why, mark
            )
        action: Action = "create" if live is None else "change" if fields else "same"
        settled = action == "same" and after is not None and _owners(live) == _owners(after)
        mark = fingerprint(live, after or self.item) if live else ""
        shown, predicted = fields if live else (), after is None and not self.untried
        return Change(action, entry_of(self.item, live), shown, self.manifest.where, predicted, self.item, settled, (), mark)


def _try(api: Api, works: Sequence[_Work], *, force: bool, recreate: bool) -> Call[None]:
    """A dry run of each, side by side. Raises what make_plan does, of all that are refused."""
    requests = []
    for work in works:
        requests.append((yield from api.apply_request(work.item, force=force, dry_run=True)))
    answers = yield from ask_all(requests)
    failed: list[SlothError] = []
    again: list[_Work] = []
    for work, request, answer in zip(works, requests, answers, strict=True):
        try:
            work.after = document(ok(answer, request))
        except ApiError as error:
            causes = for_good(error) if work.live else []
            possible = bool(causes) and may_recreate(work.live or {}, KEEP)
            if possible and recreate:
                work.why = reasons(causes)
                again.append(work)
            elif causes:
                failed.append(immutable(work.manifest, work.live or {}, causes, possible=possible))
            else:
                failed.append(located(error, work.manifest))
    failed += yield from _try_anew(api, again)
    raise_all("not everything can be applied; nothing was changed", failed)


def _try_anew(api: Api, works: Sequence[_Work]) -> Call[list[SlothError]]:
    """Whether the server would take these as new objects, tried under other names: what is deleted must come back."""
    requests = [_twin(api, work) for work in works if work.resource]
    failed: list[SlothError] = []
    for work, request, answer in zip(works, requests, (yield from ask_all(requests)), strict=True):
        try:
            ok(answer, request)
        except ApiError as error:
            if "already allocated" not in error.detail:  # an address or port that the object itself holds still
                failed.append(located(error, work.manifest))
    return failed


def _twin(api: Api, work: _Work) -> Request:
    """The creation of such an object under another name, as a dry run."""
    assert work.resource  # noqa: S101  it was asked about already
    meta = {key: value for key, value in work.item["metadata"].items() if key != "name"}
    twin = {**work.item, "metadata": {**meta, "generateName": f"{work.manifest.name[:40]}-"}}
    query = (("fieldManager", api.manager), ("fieldValidation", "Strict"), ("dryRun", "All"))
    what = work.resource.words("make anew", work.namespace, work.manifest.name)
    return Request("POST", work.resource.path(work.namespace), query, {"Content-Type": JSON}, dumps(twin), what)


def _coming(spec: Object) -> tuple[tuple[str, str], bool]:
    """A kind that is defined by this very apply: group and kind, and whether its objects are in namespaces."""
    kind = str((spec.get("names") or {}).get("kind", ""))
    return (str(spec.get("group", "")), kind), spec.get("scope") == "Namespaced"


def _resource(api: Api, each: Manifest, coming: Mapping[tuple[str, str], bool]) -> Call[Resource | None]:
    """The kind, None if it is only coming. Raises UsageError where nobody has it."""
    try:
        return (yield from api.kinds.find(each.kind))
    except UsageError:
        if _group_kind(each) in coming:
            return None
        raise


def _group_kind(each: Manifest) -> tuple[str, str]:
    return each.object["apiVersion"].rpartition("/")[0], each.object["kind"]


def _item(api: Api, each: Manifest, namespaced: bool, chosen: ApplySet | None) -> Object:
    """The object as it is sent: with its namespace, and the label of its set."""
    meta = dict(each.object["metadata"])
    if namespaced:
        meta["namespace"] = each.namespace or api.namespace
    if chosen:
        meta["labels"] = {**(meta.get("labels") or {}), PART_OF: set_id(chosen.name, chosen.namespace)}
    return {**each.object, "metadata": meta}


def _owners(item: Object | None) -> list[Object]:
    """Who owns which fields, without when."""
    listed = ((item or {}).get("metadata") or {}).get("managedFields") or []
    return [{key: value for key, value in each.items() if key != "time"} for each in listed]


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
        if live is None or entry_of(live).key in now:
            continue  # gone, or a member still: a list may name one without its namespace
        meta = live["metadata"]
        ours = (meta.get("labels") or {}).get(PART_OF) == label and entry.uid in ("", meta["uid"])
        kept = (meta.get("annotations") or {}).get(KEEP) == "true" or (entry.kind in GUARDED and not chosen.guarded)
        if ours:
            found.append(Change("keep" if kept else "delete", entry_of(live, live), mark=fingerprint(live, live)))
    return found
