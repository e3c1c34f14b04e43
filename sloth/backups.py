"""What the verbs of `sloth backup` share: the place and its catalogue, and the way of a backup between a node and the place."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sloth.app import data_root
from sloth.backup.manifest import Manifest, Unreadable, split
from sloth.backup.memory import Keys, keys_of, with_last
from sloth.backup.names import ARCHIVE, MANIFEST, VERIFIED, backups_in, taken_at
from sloth.backup.scripts import send_to_folder, send_to_s3
from sloth.contracts.backup import Place
from sloth.errors import ConfigError, KubernetesError, SlothError, UsageError
from sloth.model.cluster import Cluster
from sloth.model.options import Options
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import BackupSpec, ClusterSpec
from sloth.phases.backup_create import Made
from sloth.phases.backup_schedule import Sending
from sloth.phases.backup_verify import Opened

if TYPE_CHECKING:
    from sloth.adapters.object_url import StateUrl
    from sloth.desk import Desk


class Reads(Protocol):
    """What a manifest can be read from."""

    @property
    def address(self) -> str:
        """For messages."""

    def read(self, name: str) -> bytes:
        """A small file; b"" if it is not there."""


@dataclass(frozen=True)
class Row:
    """One backup of the catalogue."""

    name: str
    taken: int  # Unix seconds
    verified: int = 0  # Unix seconds; 0 = never
    manifest: Manifest | None = None
    problem: str = ""  # why it cannot be used

    def as_dict(self, now: float) -> dict[str, Any]:
        """For `--output json` and tables. Ages in seconds."""
        known = self.manifest
        return {
            "name": self.name,
            "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.taken)),
            "age": max(0, int(now - self.taken)),
            "size": known.archive_size if known else 0,
            "revision": known.revision if known else 0,
            "keys": known.keys if known else 0,
            "kubernetes": known.kubernetes if known else "",
            "node": known.node if known else "",
            "verified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.verified)) if self.verified else "",
            "problem": self.problem,
        }


def place_of(options: Options, spec: ClusterSpec) -> Place:
    """Where the spec wants backups to be. Raises UsageError, CredentialsError, StateError."""
    from sloth.adapters.backup_place import FolderPlace, place_at

    if not spec.backup.to:
        return FolderPlace(data_root(options) / "backups" / spec.name)
    return place_at(_address(spec.backup), _credentials(spec.backup))


def _address(backup: BackupSpec) -> StateUrl:
    from sloth.adapters.object_url import parse_url

    try:
        return parse_url(backup.to)
    except UsageError as error:
        raise ConfigError(
            "backup/place", f"spec.backup.to: {error.summary}", detail=error.detail, where="spec.backup.to", hint=error.hint
        ) from error


def _credentials(backup: BackupSpec) -> dict[str, str]:
    from sloth.contracts.secret_ref import resolve

    if not backup.access_key or not backup.secret_key:
        return {}
    return {
        "access_key_id": resolve(backup.access_key).reveal(),
        "secret_access_key": resolve(backup.secret_key).reveal(),
    }


def catalogue(place: Place, cluster: str, record: Record) -> list[Row]:
    """Every complete backup of that cluster, the newest first. What cannot be trusted is listed with its reason."""
    files = place.names()
    keys = keys_of(record)
    return [_row(place, name, keys, verified=name + VERIFIED in files) for name in backups_in(files, cluster)]


def _row(place: Place, name: str, keys: Keys | None, *, verified: bool) -> Row:
    row = Row(name, taken_at(name))
    try:
        manifest = trusted(place, name, keys)
    except SlothError as error:
        return replace(row, problem=error.summary)
    return replace(row, manifest=manifest, verified=_verified(place, name) if verified else 0)


def _verified(place: Place, name: str) -> int:
    try:
        return int(json.loads(place.read(name + VERIFIED))["at"])
    except (ValueError, KeyError, TypeError):
        return 0


def trusted(place: Reads, name: str, keys: Keys | None) -> Manifest:
    """A backup's manifest, signed by a node of this cluster and sealed for its key. Raises KubernetesError."""
    from sloth.adapters.backup_keys import check_signature, fingerprint

    if keys is None:
        raise KubernetesError(
            "backup/no-key",
            f"{name} cannot be opened: the record of this cluster has no backup key",
            where=place.address,
            hint="sloth state import FILE, with a record of the time when the backup was made",
        )
    try:
        signed = split(place.read(name + MANIFEST))
        check_signature(signed.line, signed.signature, keys.signing_public, name)
        manifest = signed.manifest
    except Unreadable as error:
        raise KubernetesError(
            "backup/damaged", f"the manifest of {name} cannot be read: {error}", where=place.address, hint="sloth backup list"
        ) from error
    if manifest.sealed_for != fingerprint(keys.certificate) or manifest.name != name:
        raise KubernetesError(
            "backup/other-key", f"{name} was sealed for another key than the record has", where=place.address,
            hint="sloth state list, then sloth state rollback to a revision of the time when it was made",
        )  # fmt: skip
    return manifest


def choose(place: Place, cluster: str, record: Record, name: str) -> Manifest:
    """The backup of that name; without one, the newest that can be used. Raises KubernetesError, UsageError."""
    rows = catalogue(place, cluster, record)
    if name and name not in {row.name for row in rows}:
        raise UsageError(
            "backup/unknown", f"there is no backup {name} at {place.address}",
            detail="\n".join(row.name for row in rows[:10]) or "there is none at all", hint="sloth backup list",
        )  # fmt: skip
    if name:
        return trusted(place, name, keys_of(record))
    usable = next((row.manifest for row in rows if row.manifest), None)
    if usable is None:
        raise KubernetesError(
            "backup/none", f"there is no backup of {cluster} at {place.address} that can be used",
            detail="\n".join(f"{row.name}: {row.problem}" for row in rows[:10]), hint="sloth backup create",
        )  # fmt: skip
    return usable


def bring(here: Desk, cluster: Cluster, made: Made, place: Place) -> Manifest:
    """Carry a backup from a node's spool to the place: the archive first, its manifest last. Raises SlothError."""
    from sloth.adapters.ssh_fetch import fetch

    manifest = trusted(_Held(made.name, made.manifest, place.address), made.name, keys_of(here.record))
    with scratch(here) as folder:
        archive = folder / made.name
        fetch(here.login(cluster.node(made.node)), made.archive, archive, manifest.archive_sha256)
        place.store(made.name + ARCHIVE, archive)
        place.write(made.name + MANIFEST, made.manifest)
    here.record = here.rig.state.save(with_last(here.record, manifest.name, manifest.taken))
    return manifest


@contextmanager
def opened(here: Desk, place: Place, manifest: Manifest) -> Iterator[Opened]:
    """A backup fetched, compared with its manifest and opened, as a file that is gone afterwards. Raises SlothError."""
    from sloth.adapters.cms import NotSealed
    from sloth.adapters.cms import opened as pieces

    keys = keys_of(here.record)
    assert keys is not None  # noqa: S101  the manifest was trusted with them
    with scratch(here) as folder:
        sealed, plain = folder / "sealed", folder / "opened"
        found = _write(sealed, place.pieces(manifest.name + ARCHIVE))
        if found != manifest.archive_sha256:
            raise KubernetesError(
                "backup/damaged", f"the archive of {manifest.name} is not what its manifest says", where=place.address,
                detail=f"wanted sha256 {manifest.archive_sha256}\nfound  sha256 {found}",
                hint="sloth backup list shows the others",
            )  # fmt: skip
        try:
            with sealed.open("rb") as stream:
                digest = _write(plain, pieces(stream, keys.key))
        except NotSealed as error:
            raise KubernetesError(
                "backup/damaged", f"the archive of {manifest.name} cannot be opened: {error}", where=place.address,
                hint="sloth backup list shows the others",
            ) from error  # fmt: skip
        sealed.unlink()
        yield Opened(manifest, str(plain), digest)


def _write(path: Path, pieces: Iterator[bytes]) -> str:
    """Write a file, 0600; its SHA-256."""
    from sloth.adapters.durable import explained

    digest = hashlib.sha256()
    with explained(path.parent), open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        for piece in pieces:
            digest.update(piece)
            stream.write(piece)
    return digest.hexdigest()


@contextmanager
def scratch(here: Desk) -> Iterator[Path]:
    """A folder that only this user can read, gone afterwards; those of runs that were killed go first (the lock is held)."""
    from sloth.adapters.backup_place import OPENED, sweep

    root = data_root(here.options) / "clusters" / here.loaded.spec.name
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(root)
    with tempfile.TemporaryDirectory(prefix=OPENED, dir=root) as folder:
        yield Path(folder)


def mark_verified(place: Place, manifest: Manifest, at: int, seconds: float) -> None:
    """Note beside the backup that it was proven."""
    note = {"name": manifest.name, "at": at, "seconds": round(seconds, 1), **manifest.content}
    place.write(manifest.name + VERIFIED, json.dumps(note).encode() + b"\n")


def remove(place: Place, name: str) -> None:
    """Delete a backup: its manifest first, so that half of one is never listed."""
    for suffix in (MANIFEST, VERIFIED, ARCHIVE):
        place.delete(name + suffix)


def sending(spec: ClusterSpec) -> Sending:
    """How nodes bring backups to the place by themselves. Raises UsageError, CredentialsError."""
    backup = spec.backup
    address = _address(backup) if backup.to else None
    if address is None or address.scheme not in ("file", "s3"):
        raise UsageError(
            "backup/schedule-place", f"nodes cannot bring backups to {backup.to or 'this machine'} by themselves",
            where="spec.backup.to",
            hint="set spec.backup.to to s3://BUCKET/PREFIX?region=REGION, or to file:///PATH mounted on the nodes",
        )  # fmt: skip
    if address.scheme == "file":
        return Sending(send_to_folder(str(address.folder)))
    keys = _credentials(backup)
    region = address.params.get("region") or os.environ.get("AWS_REGION", "us-east-1" if "endpoint" in address.params else "")
    if not keys or not region:
        raise UsageError(
            "backup/schedule-credentials", "nodes need a key, and the region, to bring backups to the bucket by themselves",
            where="spec.backup", hint="set spec.backup.accessKey and secretKey to {env: NAME}, and ?region= in spec.backup.to",
        )  # fmt: skip
    user = f"{keys['access_key_id']}:{keys['secret_access_key']}".replace("\\", "\\\\").replace('"', '\\"')
    return Sending(send_to_s3(_url(address, region)), Secret(f'aws-sigv4 = "aws:amz:{region}:s3"\nuser = "{user}"\n'))


def _url(address: StateUrl, region: str) -> str:
    endpoint = address.params.get("endpoint", "").rstrip("/")
    base = f"{endpoint}/{address.bucket}" if endpoint else f"https://{address.bucket}.s3.{region}.amazonaws.com"
    return f"{base}/{address.prefix}".rstrip("/")


@dataclass(frozen=True)
class _Held:
    """A place with one manifest in it: what a node has just made."""

    name: str
    text: bytes
    address: str

    def read(self, name: str) -> bytes:
        return self.text if name == self.name + MANIFEST else b""
