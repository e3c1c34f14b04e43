"""What applying a set of manifests would do, as data: a change for each object, in the order in which they are made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from sloth.kube.applying.difference import Field
from sloth.kube.applying.inventory import Entry
from sloth.kube.applying.veil import bare
from sloth.kube.decode import dumps
from sloth.kube.wire import Object

Action = Literal["create", "change", "recreate", "same", "delete", "keep"]
_STAGES = (
    {"Namespace", "CustomResourceDefinition"},
    {"ClusterRole", "StorageClass", "PriorityClass", "RuntimeClass", "IngressClass"},
)
GUARDED = {"Namespace", "CustomResourceDefinition"}  # with them go objects that nobody listed


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

    `settled`: the object and its owners are as they would be afterwards, so nothing needs to be sent. `why`: the fields for which
    it is made anew. `mark`: tells whether it is still what was compared (`fingerprint`).
    """

    action: Action
    entry: Entry
    fields: tuple[Field, ...] = ()
    where: str = ""
    predicted: bool = False
    object: Object | None = None
    settled: bool = False
    why: tuple[str, ...] = ()
    mark: str = ""

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
        """SHA-256 of what would be sent and deleted, without values of Secrets, which could be guessed by it."""
        said = [
            [each.action, *each.entry.key, each.object and bare(each.object), [[x.path, x.before, x.after] for x in each.fields]]
            for each in self.changes
        ]
        return hashlib.sha256(dumps(said)).hexdigest()


def stage(kind: str) -> int:
    """Namespaces and custom kinds, then what others refer to, then the rest."""
    return next((at for at, kinds in enumerate(_STAGES) if kind in kinds), len(_STAGES))


def entry_of(item: Object, live: Object | None = None) -> Entry:
    """The member that an object is."""
    group, _, version = item["apiVersion"].rpartition("/")
    meta = item["metadata"]
    uid = str(((live or {}).get("metadata") or {}).get("uid", ""))
    return Entry(group, version, item["kind"], meta.get("namespace", ""), meta["name"], uid)
