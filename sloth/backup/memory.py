"""What the record remembers of a cluster's backups: its keys, what was proven, and the restore under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sloth.model.record import Record
from sloth.model.secret import Secret


@dataclass(frozen=True, kw_only=True)
class Keys:
    """`key` opens what was sealed for `certificate`, and is on no node. `signing_key` is on every control-plane node. All PEM."""

    certificate: str
    key: Secret
    signing_key: Secret
    signing_public: str


@dataclass(frozen=True, kw_only=True)
class Restoring:
    """A restore that has begun to destroy and is not finished. `name` is a backup, or a node whose own data is kept."""

    name: str
    begun: int  # Unix seconds
    node: str  # the control-plane node that comes first
    survivor: bool = False  # not from a backup, but from the data of `node`

    @property
    def id(self) -> str:
        """Tells this restore from an earlier one of the same backup: written on the node when its part is done."""
        return f"{self.name}/{self.begun}"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a verification or a restore has shown last."""

    name: str
    at: int  # Unix seconds, when it ended
    seconds: float  # how long it took
    behind: int = 0  # seconds between the backup and the begin of the restore: what would have been lost


def keys_of(record: Record) -> Keys | None:
    """The cluster's backup keys, if it ever had any."""
    values: Mapping[str, Any] | None = record.backup.get("keys")
    return Keys(**values) if values else None


def restoring(record: Record) -> Restoring | None:
    """The restore under way."""
    values: Mapping[str, Any] | None = record.backup.get("restoring")
    return Restoring(**values) if values else None


def proof(record: Record, kind: str) -> Proof | None:
    """The last proof of a kind: `verified`, `restored`."""
    values: Mapping[str, Any] | None = record.backup.get(kind)
    return Proof(**values) if values else None


def with_keys(record: Record, keys: Keys) -> Record:
    """A copy that has these keys."""
    return _with(record, keys={field.name: getattr(keys, field.name) for field in fields(keys)})


def with_restoring(record: Record, what: Restoring | None) -> Record:
    """A copy that knows of this restore under way, or of none."""
    return _with(record, restoring=asdict(what) if what else {})


def with_proof(record: Record, kind: str, what: Proof) -> Record:
    """A copy with a new last proof."""
    return _with(record, **{kind: asdict(what)})


def with_last(record: Record, name: str, taken: int) -> Record:
    """A copy that remembers the newest backup that was made from here."""
    return _with(record, last={"name": name, "taken": taken})


def _with(record: Record, **changes: Mapping[str, Any]) -> Record:
    return replace(record, backup={key: value for key, value in {**record.backup, **changes}.items() if value})


def summary(record: Record, now: float) -> dict[str, Any] | None:
    """For `sloth status`: the newest backup made from here, what the last verification and restore have shown. None = nothing.

    Times in seconds: `age` of the backup; `rpo` = how much younger than the backup the data was that a restore replaced; `rto` =
    how long that restore took.
    """
    last: Mapping[str, Any] | None = record.backup.get("last")
    verified, restored = proof(record, "verified"), proof(record, "restored")
    if not (last or verified or restored):
        return None
    return {
        "name": last["name"] if last else "",
        "age": max(0, int(now - last["taken"])) if last else None,
        "verified": {"name": verified.name, "at": verified.at, "seconds": verified.seconds} if verified else None,
        "restored": (
            {"name": restored.name, "at": restored.at, "rto": restored.seconds, "rpo": restored.behind} if restored else None
        ),
    }
