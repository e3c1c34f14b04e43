"""Connections kept on a disk, each sealed: whoever reads the folder learns the names of clusters and nothing else.

How they are sealed and how files are written is given from outside: `sloth.adapters.connections` has what sloth itself uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from sloth.errors import StateError, UsageError
from sloth.kube.connection import Connection
from sloth.model.secret import Secret

Seal = Callable[[bytes, dict[str, Any]], bytes]
"""Plain bytes, and what is authenticated with them, to a sealed file."""
Unseal = Callable[[bytes], tuple[Mapping[str, Any], bytes]]
"""The other way round. Raises any exception where it is not as it was sealed, or sealed with another key."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")


Write = Callable[[Path, bytes], None]
"""Have a file hold this, complete and on the disk, mode 0600, or be as it was. Raises OSError."""


class Vault:
    """The folder. `write` makes the files: sloth's own are made by `sloth.adapters.durable.replace_file`."""

    def __init__(self, folder: Path, seal: Seal, unseal: Unseal, write: Write) -> None:
        self._folder, self._seal, self._unseal, self._write = folder, seal, unseal, write

    def put(self, name: str, connection: Connection) -> None:
        """Keep it under this name, in place of what was; a route is of this process and not kept.

        Raises UsageError, StateError.
        """
        path = self._path(name)
        plain = msgspec.json.encode(replace(connection, route=None), enc_hook=_out)
        blob = self._seal(plain, {"connection": name})
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(path, blob)
        except OSError as error:
            raise StateError(
                "kube/vault-not-written",
                f"the connection {name} could not be kept",
                detail=str(error),
                where=str(path),
                hint=f"ls -ld {self._folder}",
            ) from error

    def get(self, name: str) -> Connection:
        """Raises UsageError (there is none of this name), StateError (it is not as it was sealed, or with another key)."""
        path = self._path(name)
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            raise UsageError(
                "kube/vault-unknown",
                f"no connection {name} is kept",
                detail=f"kept: {', '.join(self.names()) or 'none'}",
                hint="sloth kube clusters list",
            ) from None
        except OSError as error:
            raise StateError(
                "kube/vault-sealed", f"the connection {name} cannot be read", detail=str(error), where=str(path),
                hint=f"ls -l {path}",
            ) from error  # fmt: skip
        try:
            about, plain = self._unseal(blob)
            if about.get("connection") != name:
                raise ValueError("it is that of another name")
            return msgspec.json.decode(plain, type=Connection, dec_hook=_in)
        except Exception as error:
            raise StateError(
                "kube/vault-sealed",
                f"the connection {name} cannot be opened",
                detail=f"{type(error).__name__}: {error}"
                if not isinstance(error, msgspec.MsgspecError)
                else "its form is not known",
                where=str(path),
                hint="export SLOTH_PASSPHRASE=… that it was sealed with, or keep it anew: sloth kube clusters add NAME --replace",
            ) from None

    def names(self) -> list[str]:
        """What is kept."""
        if not self._folder.is_dir():
            return []
        return sorted(path.stem for path in self._folder.glob("*.sealed") if not path.name.startswith("."))

    def remove(self, name: str) -> None:
        """Forget it; nothing happens if there is none. Raises UsageError, StateError."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StateError(
                "kube/vault-not-written", f"the connection {name} could not be forgotten", detail=str(error),
                where=str(self._folder), hint=f"ls -ld {self._folder}",
            ) from error  # fmt: skip

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UsageError(
                "kube/vault-name",
                f"{name!r} cannot be the name of a connection",
                hint="use letters, digits, dots, hyphens and underscores",
            )
        return self._folder / f"{name}.sealed"


def _out(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value).__name__)


def _in(kind: type, value: object) -> object:
    if kind is object:
        return value
    if kind in (Secret, Path) and isinstance(value, str):
        return kind(value)
    raise NotImplementedError(kind.__name__)
