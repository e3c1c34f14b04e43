"""How a server changes objects: merge patch (RFC 7396), JSON patch (RFC 6902), strategic merge patch, server-side apply.

Strategic merge follows kubernetes/community: contributors/devel/sig-api-machinery/strategic-merge-patch.md, for the lists of
`KEYS`; apply follows kubernetes.io, "Server-Side Apply": sets of owned fields by manager, conflicts where another manager's
field would change.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]
# The merge keys of lists, by the field's name; k8s.io/api has them as `patchMergeKey`.
KEYS = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "env": "name", "volumes": "name",
    "volumeMounts": "mountPath", "ports": "containerPort", "conditions": "type",
    "imagePullSecrets": "name", "ownerReferences": "uid",
    "secrets": "name",
}  # fmt: skip
_SERVERS = {
    ("metadata", name)
    for name in ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
}
PRIMITIVE = {"finalizers"}  # lists of plain values that are merged as sets


class Refused(Exception):
    """The patch cannot be carried out: HTTP status, reason, message, causes."""

    def __init__(self, status: int, reason: str, message: str, causes: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.causes = status, reason, message, causes or []


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merge_patch(found.get(key), value)
    return found


def json_patch(target: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902: add, remove, replace, test, copy, move. Raises Refused."""
    found = copy.deepcopy(target)
    for each in operations:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in each["path"].split("/")[1:]]
        if each["op"] == "test":
            if _at(found, parts) != each["value"]:
                raise Refused(422, "Invalid", f"testing path {each['path']} failed")
        elif each["op"] in ("add", "replace"):
            _put(found, parts, copy.deepcopy(each["value"]), replace=each["op"] == "replace")
        elif each["op"] == "remove":
            _take(found, parts)
        else:
            origin = [part.replace("~1", "/").replace("~0", "~") for part in each["from"].split("/")[1:]]
            value = _take(found, origin) if each["op"] == "move" else copy.deepcopy(_at(found, origin))
            _put(found, parts, value, replace=False)
    return found


def _at(target: Any, parts: list[str]) -> Any:
    for part in parts:
        try:
            target = target[int(part)] if isinstance(target, list) else target[part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Refused(422, "Invalid", f"there is no /{'/'.join(parts)}") from error
    return target


def _put(target: Any, parts: list[str], value: Any, *, replace: bool) -> None:
    parent = _at(target, parts[:-1])
    if isinstance(parent, list):
        at = len(parent) if parts[-1] == "-" else int(parts[-1])
        parent[at : at + replace] = [value]
    else:
        parent[parts[-1]] = value  # a replacement of what is not there is made, as a kube-apiserver does against the RFC


def _take(target: Any, parts: list[str]) -> Any:
    parent = _at(target, parts[:-1])
    _at(parent, parts[-1:])
    return parent.pop(int(parts[-1]) if isinstance(parent, list) else parts[-1])


def strategic(target: Any, patch: Any, name: str = "") -> Any:
    """A strategic merge patch, with `$patch` (replace, delete), `$retainKeys` and `$deleteFromPrimitiveList`."""
    if isinstance(patch, list):
        return _strategic_list(target if isinstance(target, list) else [], patch, name)
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    found = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        found = {key: value for key, value in found.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            found[field] = [each for each in found.get(field, []) if each not in value]
        elif key.startswith("$"):
            continue
        elif value is None or (isinstance(value, dict) and value.get("$patch") == "delete"):
            found.pop(key, None)
        else:
            found[key] = strategic(found.get(key), value, key)
    return found


def _strategic_list(target: list[Any], patch: list[Any], name: str) -> list[Any]:
    key = KEYS.get(name, "")
    if name in PRIMITIVE:
        return [*target, *(each for each in patch if each not in target)]
    if not key or not all(isinstance(each, dict) for each in patch):
        return copy.deepcopy(patch)
    if any(each.get("$patch") == "replace" for each in patch):
        return [copy.deepcopy(each) for each in patch if "$patch" not in each]
    found = {each[key]: each for each in target}
    for each in patch:
        if each.get("$patch") == "delete":
            found.pop(each[key], None)
        else:
            found[each[key]] = strategic(found.get(each[key]), each)
    return list(found.values())


def leaves(value: Any, at: Path = (), name: str = "") -> dict[Path, Any]:
    """The fields that an apply owns: leaf by leaf, through maps and through lists that have a merge key."""
    key = KEYS.get(name, "")
    if isinstance(value, dict) and value:
        return {path: leaf for field, inner in value.items() for path, leaf in leaves(inner, (*at, field), field).items()}
    if isinstance(value, list) and key and value and all(isinstance(each, dict) and key in each for each in value):
        found: dict[Path, Any] = {}
        for each in value:
            found |= leaves(each, (*at, f"[{key}={each[key]!r}]"))
        return found
    return {at: value}


def apply(
    live: dict[str, Any] | None, wanted: dict[str, Any], owners: dict[str, set[Path]], manager: str, *, force: bool
) -> dict[str, Any]:
    """The object after `manager` applied `wanted`; `owners` is changed to what is so afterwards. Raises Refused (409)."""
    fields = leaves(wanted)
    mine = {path: fields[path] for path in owned(wanted)}
    have = leaves(live or {})
    conflicts = [
        (other, path)
        for other, paths in owners.items()
        for path in paths
        if other != manager and path in mine and have.get(path) != mine[path]
    ]
    if conflicts and not force:
        causes = [
            {"reason": "FieldManagerConflict", "message": f'conflict with "{other}"', "field": dotted(path)}
            for other, path in sorted(conflicts)
        ]
        lines = "\n".join(f"- {cause['field']}" for cause in causes)
        raise Refused(409, "Conflict", f"Apply failed with {len(causes)} conflict(s):\n{lines}", causes)
    for other, path in conflicts:
        owners[other].discard(path)
    gone = (
        owners.get(manager, set()) - set(mine) - {path for other, paths in owners.items() if other != manager for path in paths}
    )
    owners[manager] = set(mine)
    found = strategic(live or {}, wanted)
    for path in gone:
        _drop(found, path)
    return dict(found)


def owned(item: dict[str, Any]) -> set[Path]:
    """The fields that a manager owns who sent this object."""
    return {path for path in leaves(item) if not _identity(path)}


def _identity(path: Path) -> bool:
    return path[0] in ("apiVersion", "kind") or path[:2] in _SERVERS or path[-1].startswith("$")


def dotted(path: Path) -> str:
    """As the server writes it: `.spec.replicas`."""
    return "".join(part if part.startswith("[") else f".{part}" for part in path)


def _drop(target: Any, path: Path) -> None:
    head, *rest = path
    if isinstance(target, list):
        key, _, value = head[1:-1].partition("=")
        inner = next((each for each in target if repr(each.get(key)) == value), None)
        if inner is not None:
            _drop(inner, tuple(rest))
            if set(inner) <= {key}:
                target.remove(inner)
    elif isinstance(target, dict) and head in target:
        if not rest:
            del target[head]
            return
        _drop(target[head], tuple(rest))
        if target[head] in ({}, []):
            del target[head]


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether an object is another one, what the server itself keeps in it aside."""
    return _bare(before) != _bare(after)


def _bare(item: Mapping[str, Any]) -> dict[str, Any]:
    meta = {
        key: value
        for key, value in item.get("metadata", {}).items()
        if key not in ("resourceVersion", "managedFields", "generation")
    }
    return {**item, "metadata": meta}
