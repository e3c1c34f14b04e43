"""What this machine remembers of a stack between runs, so that one whose program has not changed need not be planned again.

Only a shortcut: where a note is missing or does not fit, the engine compares program and state itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sloth.adapters.durable import replace_file
from sloth.model.cloud import CloudPlan, ServerPlan, Volume

_ONCE = ("user_data", "image")  # count only when a server is made


@dataclass(frozen=True, kw_only=True)
class Note:
    """Of one stack, after an operation that went well."""

    digest: str
    servers: tuple[str, ...] = ()
    shared: Mapping[str, str] = field(default_factory=dict)
    balancer: str = ""


def digest(plan: CloudPlan, shared: Mapping[str, str] | None, versions: str) -> str:
    """Of everything that the program depends on. Image and user-data count only when a server is made."""
    servers = [{key: value for key, value in vars(server).items() if key not in _ONCE} for server in _sorted(plan)]
    rest = {key: value for key, value in vars(plan).items() if key != "servers"}
    text = json.dumps([servers, rest, shared, versions], sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _sorted(plan: CloudPlan) -> list[ServerPlan]:
    """In an order that says nothing: it makes no difference to the engine."""
    return sorted(plan.servers, key=lambda server: server.name)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Volume):
        return vars(value)
    raise TypeError(f"a cloud's plan cannot hold {type(value).__name__}")


def read(folder: Path, stack: str) -> Note | None:
    """The stack's note, or None where there is none that can be read."""
    try:
        known = json.loads(_path(folder, stack).read_text(encoding="utf-8"))
        return Note(digest=known["digest"], servers=tuple(known["servers"]), shared=known["shared"], balancer=known["balancer"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: Path, stack: str, note: Note) -> None:
    """Replace the stack's note."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(_path(folder, stack), json.dumps(asdict(note)).encode())


def drop(folder: Path, stack: str) -> None:
    """Forget it: before an operation begins, so that one that is cut off is never taken for done."""
    _path(folder, stack).unlink(missing_ok=True)


def stacks(folder: Path) -> list[str]:
    """Names of all stacks that this machine has a note or settings of."""
    if not folder.is_dir():
        return []
    notes = {path.stem for path in folder.glob("*.note")}
    return sorted(notes | {path.stem.removeprefix("Pulumi.") for path in folder.glob("Pulumi.*.yaml")})


def _path(folder: Path, stack: str) -> Path:
    return folder / f"{stack}.note"
