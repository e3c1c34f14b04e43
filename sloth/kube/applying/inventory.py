"""What an apply set consists of: a ConfigMap that lists its members, labelled so that other tools see them too.

Labels and annotations are those of KEP-3659 (ApplySet): the parent has the id and the kinds of its members, each member
`part-of`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sloth.kube.wire import Object

PART_OF = "applyset.kubernetes.io/part-of"
KEEP = "sloth.dev/keep"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One member. `uid` tells it from a later object of the same name; empty while it was not applied yet."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same member, in whatever version."""
        return self.group, self.kind, self.namespace, self.name

    @property
    def resource(self) -> str:
        """A name for `Kinds.find`."""
        return f"{self.group}/{self.version}/{self.kind}" if self.group else f"{self.version}/{self.kind}"


def set_id(name: str, namespace: str) -> str:
    """The id of a set whose parent is this ConfigMap (KEP-3659: SHA-256 of name, namespace, kind and group, base64url)."""
    digest = hashlib.sha256(f"{name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def parent(name: str, namespace: str, entries: Iterable[Entry]) -> Object:
    """The ConfigMap that says so."""
    listed = sorted(entries)
    kinds = sorted({f"{each.kind}.{each.group}".rstrip(".") for each in listed})
    others = sorted({each.namespace for each in listed} - {namespace, ""})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"applyset.kubernetes.io/id": set_id(name, namespace)},
            "annotations": {
                "applyset.kubernetes.io/tooling": "sloth/v1",
                "applyset.kubernetes.io/contains-group-kinds": ",".join(kinds),
                "applyset.kubernetes.io/additional-namespaces": ",".join(others),
            },
        },
        "data": {"members": json.dumps([asdict(each) for each in listed])},
    }


def members(found: Object | None) -> list[Entry]:
    """The entries of such a ConfigMap. None that cannot be read: then nothing is pruned."""
    try:
        return [Entry(**each) for each in json.loads(((found or {}).get("data") or {}).get("members", "[]"))]
    except (ValueError, TypeError, AttributeError):
        return []
