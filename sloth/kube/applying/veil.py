"""Objects without what nobody may read: values of Secrets taken out, to be kept sealed, and put back.

A Secret without its values keeps the names of them, so that a record of it still says what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from sloth.errors import KubernetesError
from sloth.kube.applying.difference import is_secret
from sloth.kube.decode import dumps
from sloth.kube.wire import Object

HIDDEN = "***"
_VALUES = ("data", "stringData")
_LAST = "kubectl.kubernetes.io/last-applied-configuration"  # kubectl keeps the whole object in it, a Secret's values too


class Seal(Protocol):
    """What encrypts. `about` is authenticated with it: sealed for one thing, it opens for no other."""

    def close(self, plain: bytes, about: str) -> bytes:
        """Encrypted. Raises CredentialsError."""
        ...

    def open(self, sealed: bytes, about: str) -> bytes:
        """What was encrypted. Raises KubernetesError (`kube/sealed`), CredentialsError."""
        ...


def bare(item: Object) -> Object:
    """The object; a Secret with `***` in place of each value."""
    if not is_secret(item):
        return item
    masked = {key: dict.fromkeys(item[key], HIDDEN) for key in _VALUES if isinstance(item.get(key), dict)}
    meta = dict(item["metadata"])
    if _LAST in (meta.get("annotations") or {}):
        meta["annotations"] = {**meta["annotations"], _LAST: HIDDEN}
    return {**item, **masked, "metadata": meta}


def values(items: Sequence[Object]) -> dict[str, Any]:
    """What `bare` takes out, by the object's position."""
    return {
        str(at): {
            **{key: item[key] for key in _VALUES if isinstance(item.get(key), dict)},
            **({_LAST: noted} if (noted := (item["metadata"].get("annotations") or {}).get(_LAST)) else {}),
        }
        for at, item in enumerate(items)
        if is_secret(item)
    }


def whole(items: Sequence[Object], taken: dict[str, Any]) -> list[Object]:
    """The objects as they were."""
    found = []
    for at, item in enumerate(items):
        back = dict(taken.get(str(at), {}))
        noted = back.pop(_LAST, None)
        made = {**item, **back}
        if noted:
            meta = item["metadata"]
            made["metadata"] = {**meta, "annotations": {**meta["annotations"], _LAST: noted}}
        found.append(made)
    return found


def closed(what: Any, seal: Seal, about: str) -> bytes:
    """Anything of JSON, sealed."""
    return seal.close(dumps(what), about)


def opened(sealed: bytes, seal: Seal, about: str) -> dict[str, Any]:
    """The same again. Raises KubernetesError (`kube/sealed`)."""
    try:
        found = msgspec.json.decode(seal.open(sealed, about))
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise KubernetesError("kube/sealed", f"what is sealed in {about} is damaged", hint="apply from the files again")
    return found
