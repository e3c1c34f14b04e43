"""Lists of artifacts as JSON, one line for each: what `sloth.lock` and a mirror's `index.json` hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sloth.model.artifact import Artifact

SCHEMA = 1
_FIELDS = ("name", "version", "kind", "file", "size", "sha256", "origin", "recipe")
Images = Mapping[str, Mapping[str, str]]  # cloud -> image name -> id
NO_IMAGES: Images = MappingProxyType({})
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One pinned artifact, without what the distribution says of it."""

    name: str
    version: str
    kind: str
    file: str  # path below a mirror's root
    size: int  # bytes
    sha256: str
    origin: str
    recipe: str = ""


def entry(artifact: Artifact) -> Entry:
    """What is kept of an artifact."""
    return Entry(**{field: getattr(artifact, field) for field in _FIELDS})


def dump(entries: Iterable[Entry], images: Images = NO_IMAGES) -> str:
    """Text of a list: ordered, one line for each, so that a changed artifact is a changed line. Then clouds' images, if any."""
    ordered = sorted(entries, key=lambda each: (each.name, each.kind, each.file))
    lines = ",\n".join("    " + json.dumps(_as_dict(each)) for each in ordered)
    pins = f',\n  "images": {json.dumps(images, indent=2, sort_keys=True)}'.replace("\n", "\n  ") if images else ""
    return f'{{\n  "schema": {SCHEMA},\n  "artifacts": [\n{lines}\n  ]{pins}\n}}\n'


def _as_dict(each: Entry) -> dict[str, Any]:
    return {field: value for field in _FIELDS if (value := getattr(each, field)) != ""}


def load(text: str) -> list[Entry]:
    """Read such a list. Raises ValueError, in words, for anything that is not one."""
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("artifacts"), list):
        raise ValueError("it is no list of artifacts")
    if document.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {document.get('schema')!r}; this sloth reads {SCHEMA}")
    return [_read(raw) for raw in document["artifacts"]]


def load_images(text: str) -> Images:
    """The images that such a list pins. Raises ValueError, in words."""
    found = json.loads(text).get("images", {})
    clouds = found.values() if isinstance(found, dict) else (None,)
    if not all(isinstance(pins, dict) and all(isinstance(pin, str) for pin in pins.values()) for pins in clouds):
        raise ValueError("`images` is no map of clouds to image names and ids")
    return dict(found)


def _read(raw: Any) -> Entry:
    if not isinstance(raw, dict):
        raise ValueError("an entry is no object")
    try:
        found = Entry(**{field: raw[field] for field in _FIELDS if field in raw})  # a later sloth may tell more
    except TypeError:
        missing = [field for field in _FIELDS if field not in raw and field != "recipe"]
        raise ValueError(f"{raw.get('name', 'an entry')} has no {', '.join(missing)}") from None
    texts = [getattr(found, field) for field in _FIELDS if field != "size"]
    if not all(isinstance(text, str) for text in texts) or type(found.size) is not int or found.size < 0:
        raise ValueError(f"{found.name}: a value has the wrong type")
    if not _SHA256.match(found.sha256):
        raise ValueError(f"{found.name}: {found.sha256!r} is no SHA-256")
    return found
