"""What the server refuses of a manifest, told with file, line and column; and which refusals only a new object would overcome."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sloth.errors import KubernetesError
from sloth.kube.applying.difference import difference
from sloth.kube.applying.manifests import Manifest
from sloth.kube.applying.marks import steps
from sloth.kube.faults import ApiError, Cause
from sloth.kube.wire import Object

_UNKNOWN = re.compile(r"""(?:unknown|duplicate) field "([^"]+)"|(\.[^\s:]+): field not declared in schema""")
# How validations say that a field is for good (k8s.io/apimachinery: pkg/api/validation; the validations of each kind).
_FOR_GOOD = re.compile(
    r"immutable|may not (?:be )?chang|cannot (?:be )?(?:chang|updat)|can ?not be (?:unset|updated|changed)"
    r"|updates? to .* forbidden|updates may not change",
    re.I,
)
_MEANING = {
    "Deployment": "its pods end and new ones start: the service is away meanwhile",
    "StatefulSet": "its pods end and new ones start; the claims of its pods and their data stay",
    "DaemonSet": "its pods end on every node and new ones start",
    "Job": "it runs again from the beginning; pods and logs of the former run go",
    "CronJob": "running jobs of it end, and its history goes",
    "Pod": "it ends and starts anew, maybe on another node",
    "Service": "it is away for a moment and gets another cluster address, unless the manifest names one",
    "PersistentVolumeClaim": "its volume is released, and with the reclaim policy Delete ALL DATA ON IT IS LOST",
    "PersistentVolume": "the cluster forgets the volume for a moment; claims bound to it are lost",
    "ConfigMap": "pods that start in the moment between fail to find it",
    "Secret": "pods that start in the moment between fail to find it",
    "StorageClass": "volumes that exist are not touched; claims made in the moment between wait",
}
_NEVER = {"Namespace", "CustomResourceDefinition"}  # all that is in them would go too


def located(error: ApiError, manifest: Manifest) -> ApiError:
    """The same refusal, its findings with the lines of the manifest that they are about."""
    findings = [(cause.field, _brief(cause)) for cause in error.causes]
    findings += [(one or two, "there is no such field") for one, two in _UNKNOWN.findall(error.detail) if not findings]
    places = [(manifest.place(steps(field)), field, said) for field, said in findings]
    lines = [f"{place}  {field.lstrip('.')}: {said}" for place, field, said in places] or [error.detail]
    hint = error.hint
    if any(said == "there is no such field" for *_, said in places):
        hint = f"sloth kube validate --filename {manifest.where.rpartition(':')[0]} says what it may be called"
    return ApiError(
        error.code, error.summary, hint=hint, detail="\n".join(lines), where=places[0][0] if places else manifest.where,
        status=error.status, reason=error.reason, causes=error.causes,
    )  # fmt: skip


def _brief(cause: Cause) -> str:
    """Without the value, which is long, or a Secret's: `Invalid value: …: field is immutable`."""
    if cause.reason == "FieldManagerConflict":
        return cause.message.replace("conflict with", "owned by")
    if cause.message.startswith(("Invalid value: ", "Duplicate value: ")):
        kind, _, rest = cause.message.partition(": ")
        return rest.rpartition(": ")[2] if ": " in rest else kind.lower()
    return cause.message


def for_good(error: ApiError) -> list[Cause]:
    """The findings that say that a field cannot be changed any more; none unless all of them do."""
    if error.status != 422:
        return []
    found = [cause for cause in error.causes if _FOR_GOOD.search(cause.message)]
    return found if len(found) == len(error.causes) else []


def reasons(causes: Sequence[Cause]) -> tuple[str, ...]:
    """Which fields, in a line each."""
    return tuple(dict.fromkeys(f"{cause.field}: {_brief(cause)}" for cause in causes))


def may_recreate(live: Object, keep: str) -> bool:
    """Whether an object may be deleted and made anew at all."""
    kept = ((live.get("metadata") or {}).get("annotations") or {}).get(keep) == "true"
    return live.get("kind") not in _NEVER and not kept


def meaning(kind: str) -> str:
    """What making such an object anew means for what depends on it."""
    return _MEANING.get(kind, "it is away for a moment; what depends on it, or is owned by it, may go too")


def immutable(manifest: Manifest, live: Object, causes: Sequence[Cause], *, possible: bool) -> KubernetesError:
    """The failure, with the fields, the values that differ, and what `--recreate` would mean."""
    kind = str(manifest.object["kind"])
    lines = []
    for cause in causes:
        lines.append(f"{manifest.place(steps(cause.field))}  {cause.field}: {_brief(cause)}")
        lines += [
            f"    {each.path}: {each.before or '-'} → {each.after}"
            for each in difference(live, manifest.object)
            if each.after and each.path.startswith(cause.field.partition("[")[0])
        ]
    lines.append(f"made anew: {meaning(kind)}" if possible else f"a {kind} with all that is in it is never deleted for this")
    return KubernetesError(
        "kube/immutable",
        f"{kind} {manifest.name} cannot be changed so: the field is for good",
        detail="\n".join(dict.fromkeys(lines)),
        where=manifest.place(steps(causes[0].field)),
        hint="leave the field as it was, or --recreate" if possible else "leave the field as it was",
    )
