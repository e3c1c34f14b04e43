"""The last five applies of a set, kept beside its inventory, so that one of them can be had again.

Each is a ConfigMap `SET.apply-N` (with further ones where the objects do not fit into one): the objects as they were sent,
compressed. Values of Secrets are taken out of them and kept sealed with sloth's key (`veil`): whoever may read the
ConfigMap, or a backup of etcd, reads none of them, and a rollback that would bring a Secret back needs the key.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sloth.errors import KubernetesError, UsageError
from sloth.kube.api import Api, Select
from sloth.kube.applying.inventory import Entry, set_id
from sloth.kube.applying.manifests import Manifest
from sloth.kube.applying.plan import ApplySet, Plan
from sloth.kube.applying.run import carry_out
from sloth.kube.applying.veil import Seal, bare, closed, opened, values, whole
from sloth.kube.decode import asked, dumps
from sloth.kube.faults import ApiError
from sloth.kube.wire import JSON, Call, Object, Request

KEPT = 5
_OF, _NUMBER, _PART, _NOTE = "sloth.dev/history-of", "sloth.dev/apply", "sloth.dev/part", "sloth.dev/note"
_BYTES = 700_000  # of one ConfigMap; the server takes 1 MiB


@dataclass(frozen=True, slots=True)
class Note:
    """What is told of one apply. `when` is UTC, ISO 8601; `done` false: it did not come to its end."""

    when: str = ""
    by: str = ""
    digest: str = ""
    why: str = ""
    created: int = 0
    changed: int = 0
    deleted: int = 0
    objects: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """One apply of the history."""

    number: int
    note: Note
    parts: tuple[Object, ...] = ()


def recorded(
    api: Api, plan: Plan, chosen: ApplySet, seal: Seal, note: Note, *, force: bool = False
) -> Call[list[Entry]]:  # fmt: skip
    """Carry the plan out as one more apply of the set; what changes nothing is none. Raises what `carry_out` does."""
    known = yield from history(api, chosen)
    if known and all(each.settled or each.action == "keep" for each in plan.changes):
        return (yield from carry_out(api, plan, chosen, force=force))
    number = known[0].number + 1 if known else 1
    said = replace(_counted(note, plan), by=(yield from _who(api)))
    parts = _pieces(chosen, number, plan, seal, said)
    # Written before: an apply that broke off half-way is one that can be rolled back from.
    for part in parts:
        yield from api.apply(part, force=True)
    done = yield from carry_out(api, plan, chosen, force=force)
    yield from api.apply(_noted(parts[0], replace(said, done=True)), force=True)
    for old in known[KEPT - 1 :]:
        for part in old.parts:
            yield from _forget(api, part)
    return done


def _counted(note: Note, plan: Plan) -> Note:
    count = Counter(each.action for each in plan.changes)
    objects = sum(each.object is not None for each in plan.changes)
    changed = count["change"] + count["recreate"]
    return replace(note, created=count["create"], changed=changed, deleted=count["delete"], objects=objects)


def _who(api: Api) -> Call[str]:
    """The user, as the server knows us (SelfSubjectReview, since Kubernetes 1.28); empty where it does not tell."""
    body = dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    try:
        found = yield from asked(Request("POST", path, (), {"Content-Type": JSON}, body, "ask who I am"))
    except ApiError:
        return ""
    return str(((found.get("status") or {}).get("userInfo") or {}).get("username", ""))


def _about(chosen: ApplySet, number: int) -> str:
    return f"apply {number} of {set_id(chosen.name, chosen.namespace)}"


def _pieces(chosen: ApplySet, number: int, plan: Plan, seal: Seal, note: Note) -> list[Object]:
    """The ConfigMaps of one apply."""
    pairs = [(each.object, each.where) for each in plan.changes if each.object is not None]
    taken = values([item for item, _ in pairs])
    sealed = base64.b64encode(closed(taken, seal, _about(chosen, number))).decode() if taken else ""
    content = {"objects": [bare(item) for item, _ in pairs], "where": [where for _, where in pairs], "sealed": sealed}
    packed = gzip.compress(dumps(content), mtime=0)
    pieces = [packed[at : at + _BYTES] for at in range(0, len(packed), _BYTES)]
    return [_piece(chosen, number, at, piece, note) for at, piece in enumerate(pieces)]


def _piece(chosen: ApplySet, number: int, at: int, piece: bytes, note: Note) -> Object:
    labels = {_OF: set_id(chosen.name, chosen.namespace), _NUMBER: str(number), _PART: str(at)}
    name = f"{chosen.name}.apply-{number}" + (f".{at}" if at else "")
    made = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": chosen.namespace, "labels": labels},
        "binaryData": {"objects": base64.b64encode(piece).decode()},
    }  # fmt: skip
    return made if at else _noted(made, note)


def _noted(part: Object, note: Note) -> Object:
    return {**part, "metadata": {**part["metadata"], "annotations": {_NOTE: json.dumps(asdict(note))}}}


def _forget(api: Api, part: Object) -> Call[None]:
    try:
        yield from api.delete("configmaps", part["metadata"]["name"], part["metadata"]["namespace"])
    except ApiError as error:
        if error.status != 404:
            raise


def history(api: Api, chosen: ApplySet) -> Call[list[Kept]]:
    """The applies that are kept, the last one first. Raises ApiError."""
    page = yield from api.page(
        "configmaps", chosen.namespace, select=Select(f"{_OF}={set_id(chosen.name, chosen.namespace)}"), limit=0
    )
    found: dict[int, list[Object]] = {}
    for item in page.items:
        number = (item["metadata"].get("labels") or {}).get(_NUMBER, "")
        if number.isdigit():
            found.setdefault(int(number), []).append(item)
    return [_kept(number, parts) for number, parts in sorted(found.items(), reverse=True)]


def _kept(number: int, parts: list[Object]) -> Kept:
    ordered = sorted(parts, key=lambda part: int(part["metadata"]["labels"].get(_PART) or 0))
    try:
        note = Note(**json.loads((ordered[0]["metadata"].get("annotations") or {})[_NOTE]))
    except (KeyError, TypeError, ValueError):
        note = Note()
    return Kept(number, note, tuple(ordered))


def chosen_one(known: Sequence[Kept], chosen: ApplySet, number: int = 0) -> Kept:
    """The apply of that number, or the last complete one before the latest. Raises UsageError."""
    for each in known if number else known[1:]:
        if each.number == number or (not number and each.note.done):
            return each
    had = ", ".join(str(each.number) for each in known) or "none"
    what = f"no apply {number}" if number else "no complete apply before the latest"
    raise UsageError(
        "kube/no-history", f"of {chosen.name} in {chosen.namespace} there is {what}", detail=f"kept are: {had}",
        hint=f"sloth kube history {chosen.name} --namespace {chosen.namespace}",
    )  # fmt: skip


def objects(kept: Kept, chosen: ApplySet, seal: Seal) -> list[Manifest]:
    """What was applied then. Raises KubernetesError: damaged (`kube/history-damaged`), or sealed with another key."""
    try:
        packed = b"".join(base64.b64decode(part["binaryData"]["objects"]) for part in kept.parts)
        content: dict[str, Any] = json.loads(gzip.decompress(packed))
        bare_ones, where, sealed = content["objects"], content["where"], content["sealed"]
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        raise KubernetesError(
            "kube/history-damaged", f"apply {kept.number} of {chosen.name} cannot be read", detail=str(error),
            hint=f"sloth kube rollback {chosen.name} --to another one, or apply from the files",
        ) from error  # fmt: skip
    taken = opened(base64.b64decode(sealed), seal, _about(chosen, kept.number)) if sealed else {}
    return [Manifest(item, f"apply {kept.number}, {at}") for item, at in zip(whole(bare_ones, taken), where, strict=True)]
