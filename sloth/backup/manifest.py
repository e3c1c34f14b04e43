"""What a backup says about itself: one line of JSON and a line with its signature (base64). Holds no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

SCHEMA = 1


class Unreadable(ValueError):
    """The text is no manifest, or of a newer sloth."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One backup. Sizes in bytes, digests SHA-256 in hexadecimal, `taken` in Unix seconds."""

    name: str
    cluster: str
    taken: int
    node: str  # where it was made
    distribution: str
    kubernetes: str  # version, `v1.36.3`
    etcd: str  # version
    revision: int  # etcd's, at the snapshot
    compacted: int  # revision up to which etcd had forgotten older values; -1 = never
    hash: int  # etcd's own, over all keys and their history at that revision (`etcdctl endpoint hashkv`)
    keys: int  # that exist at that revision
    data_size: int
    data_sha256: str  # of etcd.db
    files_sha256: str  # of files.tar
    archive_size: int
    archive_sha256: str  # of the sealed archive
    sealed_for: str  # fingerprint (SHA-256) of the certificate that it was sealed for
    schema: int = SCHEMA

    @property
    def content(self) -> Mapping[str, int]:
        """What must come out of etcd when it is restored."""
        return {"revision": self.revision, "hash": self.hash, "keys": self.keys}


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A manifest as it lies at its place."""

    line: bytes  # what was signed, line end included
    signature: str  # base64, DER of ECDSA

    @property
    def manifest(self) -> Manifest:
        """What it says. Raises Unreadable."""
        return _manifest(self.line)


def split(text: bytes) -> Signed:
    """The two lines. Raises Unreadable."""
    line, newline, rest = text.partition(b"\n")
    signature = rest.strip()
    if not newline or not signature or b"\n" in signature:
        raise Unreadable("it has not a line of JSON and a line with its signature")
    return Signed(line=line + newline, signature=signature.decode("ascii", "replace"))


def _manifest(line: bytes) -> Manifest:
    try:
        values: dict[str, Any] = json.loads(line)
        if values["schema"] > SCHEMA:
            raise Unreadable(f"its schema is {values['schema']}, this one knows {SCHEMA}")
        known = {field.name: field.type for field in fields(Manifest)}
        made = Manifest(**{name: value for name, value in values.items() if name in known})
    except (ValueError, TypeError, KeyError) as error:
        raise error if isinstance(error, Unreadable) else Unreadable(f"{type(error).__name__}: {error}") from error
    wrong = [name for name, kind in known.items() if type(getattr(made, name)).__name__ != kind]
    if wrong:
        raise Unreadable(f"{', '.join(wrong)} has a value of the wrong kind")
    return made
