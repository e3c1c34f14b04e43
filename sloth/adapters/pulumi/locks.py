"""The engine's locks on a cluster's stacks, as they lie in its state: who holds them, and taking dead ones away.

A lock is a small JSON file below `.pulumi/locks/organization/PROJECT/STACK/` that says who made it (pulumi/pulumi,
pkg/backend/diy/lock.go). The engine's own `cancel` deletes them all and asks nobody.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sloth.adapters.pulumi.holders import abandoned, lives
from sloth.errors import StateError

_FOLDER = ".pulumi/locks/organization"


class Shelf(Protocol):
    """As much of a place with folders and files as is needed here; `sloth.adapters.object_store` is one."""

    def names(self, folder: str) -> list[str]:
        """Files directly in a folder; none where there is no such folder."""

    def folders(self, folder: str) -> list[str]:
        """Folders directly in a folder."""

    def read(self, path: str) -> bytes:
        """Content of a file; b"" where it has gone."""

    def delete(self, path: str) -> None:
        """Delete a file; one that has gone is no error."""


class Directory:
    """A shelf on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> list[str]:
        """Files directly in a folder; none where there is no such folder."""
        return sorted(path.name for path in self._in(folder) if path.is_file())

    def folders(self, folder: str) -> list[str]:
        """Folders directly in a folder."""
        return sorted(path.name for path in self._in(folder) if path.is_dir())

    def read(self, path: str) -> bytes:
        """Content of a file; b"" where it has gone."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return b""

    def delete(self, path: str) -> None:
        """Delete a file; one that has gone is no error."""
        (self._root / path).unlink(missing_ok=True)

    def _in(self, folder: str) -> Iterator[Path]:
        path = self._root / folder
        return path.iterdir() if path.is_dir() else iter(())


def unlock(shelf: Shelf, project: str, below: str = "") -> list[str]:
    """Take away the locks of dead engines; answers whose they were. Raises StateError, and takes nothing, if one lives here.

    Whether an engine on another machine lives cannot be seen from here: whoever types `sloth unlock` has looked.
    """
    found = {}
    folder = f"{below}{_FOLDER}/{project}"
    for stack in shelf.folders(folder):
        for name in shelf.names(f"{folder}/{stack}"):
            path = f"{folder}/{stack}/{name}"
            found[path] = _holder(shelf.read(path))
    for stack_path, (host, pid, who) in found.items():
        if host == socket.gethostname() and lives(pid):
            raise StateError(
                "engine/locked",
                f"{who} is changing machines of this cluster ({stack_path.split('/')[-2]})",
                hint="wait for it, or end that process first",
            )
    for path in found:
        shelf.delete(path)
    return [who for _, _, who in found.values()]


def sweep(shelf: Shelf, project: str, stack: str, below: str = "") -> list[str]:
    """Take away those locks on one stack whose engine is certainly dead; answers whose they were. Others are left alone."""
    folder = f"{below}{_FOLDER}/{project}/{stack}"
    gone = []
    for name in shelf.names(folder):
        text = shelf.read(f"{folder}/{name}")
        host, pid, who = _holder(text)
        if (host == socket.gethostname() and not lives(pid)) or (host != socket.gethostname() and abandoned(_at(text))):
            shelf.delete(f"{folder}/{name}")
            gone.append(who)
    return gone


def purge(shelf: Shelf, project: str, below: str = "") -> int:
    """Delete what the engine keeps of stacks that are no more; answers how many files that were.

    `stack rm` leaves history and backups, and a copy of the last state (pulumi/pulumi, pkg/backend/diy/state.go).
    """
    folder = f"{below}.pulumi/stacks/{project}"
    names = shelf.names(folder)
    copies = [name for name in names if name.endswith(".bak") and name.removesuffix(".bak") not in names]
    for name in copies:
        shelf.delete(f"{folder}/{name}")
    kinds = ("history", "backups") if len(copies) == len(names) else ()  # else a stack is there still
    return len(copies) + sum(_purge(shelf, f"{below}.pulumi/{kind}/{project}") for kind in kinds)


def _purge(shelf: Shelf, folder: str) -> int:
    names = shelf.names(folder)
    for name in names:
        shelf.delete(f"{folder}/{name}")
    return len(names) + sum(_purge(shelf, f"{folder}/{name}") for name in shelf.folders(folder))


def _at(text: bytes) -> str:
    try:
        return str(json.loads(text).get("timestamp", ""))
    except (ValueError, AttributeError):
        return ""


def _holder(text: bytes) -> tuple[str, int, str]:
    """Host, process and words of a lock's owner. One that cannot be read is nobody's."""
    try:
        known = json.loads(text)
        host, pid = str(known["hostname"]), int(known["pid"])
        return host, pid, f"{known.get('username', '?')}@{host}, process {pid}, since {known.get('timestamp', '?')}"
    except (ValueError, KeyError, TypeError):
        return "", 0, "somebody whose lock cannot be read"
