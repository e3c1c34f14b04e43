"""A plan as a file: what `diff --out` saves, and `apply FILE` holds against the cluster before it does anything.

The file is no programme: applying it plans anew from the objects in it, and goes on only if the result is the same. Its digest
tells damage and edits apart from what was saved; it keeps nobody out. Values of Secrets are in it sealed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sloth.errors import ConfigError, KubernetesError
from sloth.kube.applying.difference import Field, is_secret
from sloth.kube.applying.inventory import Entry
from sloth.kube.applying.manifests import Manifest
from sloth.kube.applying.plan import ApplySet, Change, Plan
from sloth.kube.applying.veil import Seal, bare, closed, opened, values, whole

KIND, FORMAT = "sloth kube plan", 1
_NEW = "sloth kube diff … --out FILE makes a new one"


@dataclass(frozen=True, slots=True)
class Saved:
    """What was planned, for which cluster (its id), and how. `digest` names the plan."""

    cluster: str
    changes: tuple[Change, ...]
    chosen: ApplySet | None = None
    force: bool = False
    recreate: bool = False
    digest: str = ""

    def manifests(self) -> list[Manifest]:
        """The objects, as they would be sent."""
        return [Manifest(each.object, each.where) for each in self.changes if each.object is not None]


def save(saved: Saved, seal: Seal) -> tuple[bytes, str]:
    """The text of the file, and the plan's digest. Raises CredentialsError if a Secret is in it and there is no key."""
    items = [each.object for each in saved.changes if each.object is not None]
    hidden = {
        "values": values(items),
        "marks": {str(at): each.mark for at, each in enumerate(saved.changes) if is_secret(each.object or _kind(each.entry))},
    }
    changes = []
    for at, each in enumerate(saved.changes):
        said = asdict(each)
        said["object"] = bare(each.object) if each.object is not None else None
        said["mark"] = "" if str(at) in hidden["marks"] else each.mark
        changes.append(said)
    sealed = base64.b64encode(closed(hidden, seal, _about(saved.cluster))).decode() if any(hidden.values()) else ""
    content = {
        "kind": KIND, "format": FORMAT, "cluster": saved.cluster, "set": asdict(saved.chosen) if saved.chosen else None,
        "force": saved.force, "recreate": saved.recreate, "changes": changes, "sealed": sealed,
    }  # fmt: skip
    digest = _digest(content)
    return json.dumps({"digest": digest, **content}, indent=1, ensure_ascii=False).encode() + b"\n", digest


def _kind(entry: Entry) -> dict[str, str]:
    return {"kind": entry.kind, "apiVersion": entry.version if not entry.group else f"{entry.group}/{entry.version}"}


def _about(cluster: str) -> str:
    return f"plan for {cluster}"


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load(text: bytes, seal: Seal, name: str, cluster: str) -> Saved:
    """The plan of a file. Raises ConfigError (not to be trusted), KubernetesError (another cluster, or sealed elsewhere)."""
    content = _content(text, name)
    if content.get("cluster") != cluster:
        raise KubernetesError(
            "kube/plan-cluster",
            f"{name} was made for another cluster: nothing was done",
            hint="--context NAME, or --cluster NAME",
        )
    digest = _digest(content)
    try:
        hidden = opened(base64.b64decode(content["sealed"]), seal, _about(cluster)) if content["sealed"] else {}
        marks = hidden.get("marks", {})
        changes = [_change(each, marks.get(str(at), each["mark"])) for at, each in enumerate(content["changes"])]
        items = iter(whole([each.object for each in changes if each.object is not None], hidden.get("values", {})))
        filled = tuple(_with(each, next(items)) if each.object is not None else each for each in changes)
        chosen = ApplySet(**content["set"]) if content["set"] else None
        return Saved(cluster, filled, chosen, bool(content["force"]), bool(content["recreate"]), digest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _edited(name, f"it lacks something: {error}") from error


def _content(text: bytes, name: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ConfigError(
            "kube/no-plan",
            f"{name} is no plan of `sloth kube diff --out`",
            where=name,
            hint=f"sloth kube apply --filename {name}",
        )
    if content.get("format") != FORMAT:
        raise ConfigError("kube/no-plan", f"{name} was made by another version of sloth", where=name, hint=_NEW)
    if content.pop("digest", "") != _digest(content):
        raise _edited(name, "its digest does not fit its content")
    return content


def _edited(name: str, why: str) -> ConfigError:
    return ConfigError(
        "kube/plan-edited", f"{name} is not as it was saved: nothing was done", detail=why, where=name,
        hint=f"change the manifests, not the plan; {_NEW}",
    )  # fmt: skip


def _change(said: dict[str, Any], mark: str) -> Change:
    entry, fields = Entry(**said["entry"]), tuple(Field(**each) for each in said["fields"])
    rest = {key: said[key] for key in ("where", "predicted", "object", "settled")}
    return Change(said["action"], entry, fields, why=tuple(said["why"]), mark=mark, **rest)


def _with(change: Change, item: dict[str, Any]) -> Change:
    from dataclasses import replace

    return replace(change, object=item)


def still(saved: Saved, plan: Plan, name: str) -> None:
    """Raise KubernetesError (`kube/plan-stale`) if the cluster is not any more what the plan was made for."""
    moved = list(_moved(saved, plan))
    if moved:
        raise KubernetesError(
            "kube/plan-stale", f"the cluster is not any more what {name} was made for: nothing was done", detail="\n".join(moved),
            where=name, hint=_NEW,
        )  # fmt: skip


def _moved(saved: Saved, plan: Plan) -> Iterator[str]:
    """What is another thing now, in a line each."""
    old, new = ({each.entry.key: each for each in changes} for changes in (saved.changes, plan.changes))
    for key in dict.fromkeys((*old, *new)):
        _, kind, namespace, name = key
        named = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            yield f"{named}: {'not planned' if was is None else was.action}, now {now.action if now else 'nothing to do'}"
        elif was.action != now.action:
            yield f"{named}: planned to {was.action}, now {now.action}{_fields_moved(was, now)}"
        elif was.mark != now.mark:
            gone = was.entry.uid != now.entry.uid and "it is another object of that name now"
            yield f"{named}: {gone or _fields_moved(was, now).lstrip(': ') or 'a value that is not shown is another one now'}"


def _fields_moved(was: Change, now: Change) -> str:
    """The fields that have other values than when the plan was made, or came to differ, or do not differ any more."""
    before, after = ({each.path: each for each in fields} for fields in (was.fields, now.fields))
    words = []
    for path in dict.fromkeys((*before, *after)):
        one, other = before.get(path), after.get(path)
        if one == other:
            continue
        if one is None or other is None:
            words.append(f"{path} {'differs now' if one is None else 'is as planned already'}")
        else:
            words.append(f"{path} was {one.before or '-'}, is {other.before or '-'}")
    return f": {', '.join(words)}" if words else ""
