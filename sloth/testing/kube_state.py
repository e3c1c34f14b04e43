"""The memory of the fake API server: objects, versions, the history that watches replay, and who owns which field."""

from __future__ import annotations

import copy
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sloth.kube.builtin import BUILTIN
from sloth.kube.resource import Resource
from sloth.testing import kube_patch
from sloth.testing.kube_patch import Path, Refused

Key = tuple[str, str, str, str]  # group, plural, namespace, name
_PHASES = {"Pod": "Pending", "Namespace": "Active"}


@dataclass(slots=True)
class Change:
    """One line of the history."""

    version: int
    type: str
    resource: Resource
    namespace: str
    object: dict[str, Any]
    before: dict[str, Any] | None


@dataclass
class State:
    """Everything that the server knows. `lock` also tells watches that something happened."""

    resources: list[Resource] = field(default_factory=lambda: list(BUILTIN))
    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    owners: dict[Key, dict[str, set[Path]]] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    version: int = 1
    floor: int = 0
    users: dict[str, str] = field(default_factory=dict)  # by token
    # by namespace, pod, container, and whether it is that of the run before: when and what was written
    logs: dict[tuple[str, str, str, bool], list[tuple[datetime, bytes]]] = field(default_factory=dict)
    lock: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        namespaces = self.resource("", "v1", "namespaces")
        for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
            self.create(namespaces, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "kube-apiserver")

    def resource(self, group: str, version: str, plural: str) -> Resource:
        """Raises Refused (404)."""
        found = next(
            (each for each in self.resources if (each.group, each.version, each.plural) == (group, version, plural)), None
        )
        if not found:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        return found

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """Raises Refused (404)."""
        found = self.objects.get(_key(resource, namespace, name))
        if found is None:
            raise Refused(404, "NotFound", f'{resource.full_name} "{name}" not found')
        return found

    def listed(self, resource: Resource, namespace: str) -> list[dict[str, Any]]:
        """Of one namespace, or of all, by namespace and name."""
        return [
            item for key, item in sorted(self.objects.items())
            if key[:2] == (resource.group, resource.plural) and namespace in ("", key[2])
        ]  # fmt: skip

    def create(
        self, resource: Resource, namespace: str, item: dict[str, Any], manager: str, *, dry: bool = False
    ) -> dict[str, Any]:
        """Raises Refused: 409 if it is there, 404 if its namespace is not, 422 without a name."""
        self._check(resource, namespace, item)
        meta = item["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        if not meta.get("name"):
            raise Refused(
                422,
                "Invalid",
                "name or generateName is required",
                [_cause("metadata.name", "FieldValueRequired", "Required value")],
            )
        key = _key(resource, namespace, meta["name"])
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{resource.full_name} "{meta["name"]}" already exists')
        if resource.namespaced and ("", "namespaces", "", namespace) not in self.objects:
            raise Refused(404, "NotFound", f'namespaces "{namespace}" not found')
        item = {**item, "metadata": {**meta, "uid": str(uuid.uuid4()), "creationTimestamp": _now(), "generation": 1}}
        if resource.namespaced:
            item["metadata"]["namespace"] = namespace
        if item["kind"] in _PHASES:
            item.setdefault("status", {})["phase"] = _PHASES[item["kind"]]
        if not dry:
            self.owners[key] = {_updater(manager): kube_patch.owned(item)}
        return self._store(resource, namespace, key, None, item, dry=dry)

    def update(
        self, resource: Resource, namespace: str, name: str, item: dict[str, Any], manager: str, *, dry: bool = False
    ) -> dict[str, Any]:
        """Put `item` in place. Raises Refused: 404, 409 if it is of another version, 422 if it changes what cannot change."""
        before = self.get(resource, namespace, name)
        self._check(resource, namespace, item)
        meta, old = item["metadata"], before["metadata"]
        for asked in ("resourceVersion", "uid"):
            if meta.get(asked) and meta[asked] != old[asked]:
                raise Refused(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on {resource.full_name} "{name}": the object has been modified',
                )
        if item.get("kind") == "Secret" and before.get("immutable") and item.get("data") != before.get("data"):
            raise Refused(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
        kept = {
            each: old[each] for each in ("uid", "creationTimestamp", "resourceVersion", "generation", "namespace") if each in old
        }
        item = {**item, "metadata": {**meta, **kept}}
        key = _key(resource, namespace, name)
        if not kube_patch.changed(before, item):
            return before
        if not dry:
            mine = self.owners.setdefault(key, {}).setdefault(_updater(manager), set())
            was = kube_patch.leaves(before)
            now = kube_patch.leaves(item)
            touched = {path for path in kube_patch.owned(item) if was.get(path) != now[path]}
            for paths in self.owners[key].values():
                paths.difference_update(touched)
            mine |= touched
        return self._store(resource, namespace, key, before, item, dry=dry)

    def apply(
        self, resource: Resource, namespace: str, name: str, item: dict[str, Any], manager: str, *, force: bool, dry: bool
    ) -> dict[str, Any]:
        """Server-side apply. Raises Refused: 409 with the fields that others own."""
        key = _key(resource, namespace, name)
        live = self.objects.get(key)
        owners = copy.deepcopy(self.owners.get(key, {}))
        item = copy.deepcopy(item)
        item.setdefault("metadata", {}).setdefault("name", name)
        found = kube_patch.apply(live, item, owners, manager, force=force)
        stored = (
            self.update(resource, namespace, name, found, manager, dry=dry)
            if live
            else self.create(resource, namespace, found, manager, dry=dry)
        )
        if not dry:
            self.owners[key] = owners
        return stored

    def delete(self, resource: Resource, namespace: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Raises Refused: 404, 409 if a precondition does not hold."""
        before = self.get(resource, namespace, name)
        for asked, value in (options.get("preconditions") or {}).items():
            if before["metadata"].get(asked) != value:
                raise Refused(409, "Conflict", f"the {asked} in the precondition ({value}) does not match")
        if options.get("dryRun"):
            return before
        if before["metadata"].get("finalizers"):
            return self.update(
                resource,
                namespace,
                name,
                {**before, "metadata": {**before["metadata"], "deletionTimestamp": _now()}},
                "kube-apiserver",
            )
        key = _key(resource, namespace, name)
        del self.objects[key]
        self.owners.pop(key, None)
        if resource.plural == "namespaces":
            for other in [each for each in self.objects if each[2] == name]:
                inner = next(each for each in self.resources if (each.group, each.plural) == other[:2])
                self.delete(inner, name, other[3], {})
        self._note("DELETED", resource, namespace, copy.deepcopy(before), before)
        self._kinds_changed(resource)
        return before

    def compact(self) -> None:
        """Forget the history: watches from before get 410."""
        with self.lock:
            self.floor = self.version
            self.history.clear()
            self.lock.notify_all()

    def _check(self, resource: Resource, namespace: str, item: dict[str, Any]) -> None:
        if not isinstance(item, dict) or (item.get("apiVersion"), item.get("kind")) != (resource.api_version, resource.kind):
            raise Refused(400, "BadRequest", f"the object provided is no {resource.api_version} {resource.kind}")
        inside = item.setdefault("metadata", {}).get("namespace")
        if inside and inside != namespace:
            raise Refused(
                400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request"
            )

    def _store(
        self, resource: Resource, namespace: str, key: Key, before: dict[str, Any] | None, item: dict[str, Any], *, dry: bool
    ) -> dict[str, Any]:
        if before and before.get("spec") != item.get("spec"):
            item["metadata"]["generation"] = before["metadata"].get("generation", 1) + 1
        if dry:
            return item
        if before and item["metadata"].get("deletionTimestamp") and not item["metadata"].get("finalizers"):
            self.objects[key] = item
            return self.delete(resource, namespace, key[3], {})
        self.objects[key] = item
        self._note("MODIFIED" if before else "ADDED", resource, namespace, item, before)
        self._kinds_changed(resource)
        return item

    def _note(self, kind: str, resource: Resource, namespace: str, item: dict[str, Any], before: dict[str, Any] | None) -> None:
        self.version += 1
        item["metadata"] = {**item["metadata"], "resourceVersion": str(self.version)}
        self.history.append(Change(self.version, kind, resource, namespace, copy.deepcopy(item), before))
        with self.lock:
            self.lock.notify_all()

    def _kinds_changed(self, resource: Resource) -> None:
        """Custom kinds are those of the CustomResourceDefinitions that are there now."""
        if resource.plural == "customresourcedefinitions":
            crds = [item["spec"] for key, item in self.objects.items() if key[1] == "customresourcedefinitions"]
            self.resources = [*BUILTIN, *(each for spec in crds for each in _custom(spec))]


def _custom(spec: dict[str, Any]) -> list[Resource]:
    """The resources of a CustomResourceDefinition."""
    names = spec["names"]
    words = (names.get("singular", ""), tuple(names.get("shortNames", ())), tuple(names.get("categories", ())))
    return [
        Resource(spec["group"], version["name"], names["plural"], names["kind"], spec["scope"] == "Namespaced", *words)
        for version in spec["versions"]
        if version["served"]
    ]


def _key(resource: Resource, namespace: str, name: str) -> Key:
    return resource.group, resource.plural, namespace if resource.namespaced else "", name


def _cause(name: str, reason: str, message: str) -> dict[str, str]:
    return {"field": name, "reason": reason, "message": message}


def _updater(manager: str) -> str:
    """Updates and applies of one manager own fields apart."""
    return f"{manager} (update)"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
