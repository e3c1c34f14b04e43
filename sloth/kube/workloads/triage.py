"""Which pods of a node a drain evicts, which it leaves, and which only if they are named.

The rules and their order are kubectl's (kubernetes.io, "Safely Drain a Node"; kubectl reference, `drain`), except that pods of
DaemonSets are always left: their controller would put them back at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sloth.kube.resource import key_of
from sloth.kube.wire import Object
from sloth.kube.workloads.listing import controller

MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class Allow:
    """What may be lost: pods by `namespace/name`, or all of a sort."""

    pods: Collection[str] = ()
    empty_dirs: bool = False
    unmanaged: bool = False


@dataclass(frozen=True, slots=True)
class Triage:
    """The pods of a node. `left` and `refused` say why."""

    evict: tuple[Object, ...]
    left: tuple[tuple[Object, str], ...]
    refused: tuple[tuple[Object, str], ...]


def triage(pods: Sequence[Object], allow: Allow, orphaned: Collection[str] = ()) -> Triage:
    """Sort pods. `orphaned`: uids of DaemonSets that are not there any more, so that their pods do not come back."""
    evict, left, refused = [], [], []
    for pod in pods:
        why = _leave(pod, orphaned)
        if why:
            left.append((pod, why))
            continue
        why = "" if key_of(pod) in allow.pods else _refuse(pod, allow)
        if why:
            refused.append((pod, why))
        else:
            evict.append(pod)
    return Triage(tuple(evict), tuple(left), tuple(refused))


def daemon_sets(pods: Sequence[Object]) -> set[tuple[str, str, str]]:
    """The DaemonSets that own any of these: namespace, name, uid."""
    owners = [(pod["metadata"]["namespace"], controller(pod) or {}) for pod in pods]
    return {(place, owner["name"], owner["uid"]) for place, owner in owners if owner.get("kind") == "DaemonSet"}


def _leave(pod: Object, orphaned: Collection[str]) -> str:
    if MIRROR in (pod["metadata"].get("annotations") or {}):
        return "a static pod: its node makes it"
    owner = controller(pod) or {}
    if owner.get("kind") == "DaemonSet" and owner["uid"] not in orphaned and not _finished(pod):
        return f"of DaemonSet {owner['name']}"
    return ""


def _refuse(pod: Object, allow: Allow) -> str:
    if _finished(pod):
        return ""
    if not allow.empty_dirs and any("emptyDir" in each for each in pod["spec"].get("volumes") or ()):
        return "has an emptyDir, whose data is lost"
    owner = controller(pod)
    if not allow.unmanaged and owner is None:
        return "nothing manages it, so it does not come back"
    if not allow.unmanaged and owner and owner.get("kind") == "DaemonSet":
        return f"its DaemonSet {owner['name']} is gone, so it does not come back"
    return ""


def _finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
