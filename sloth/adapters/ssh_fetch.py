"""Fetching a file from a node: streamed to a file here, whatever its size, and taken only if its digest is the promised one."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, BinaryIO

from sloth.adapters.ssh_connect import Connector, Patience
from sloth.adapters.ssh_exchange import Exchange, Flood, Lost, Outcome, Overdue
from sloth.adapters.ssh_lost import flooded, lost, overdue
from sloth.errors import ConnectError, StepError
from sloth.model.node import Login

if TYPE_CHECKING:
    from sloth.adapters.ssh_wire import Wire

_SECONDS = 3600.0
_CHUNK = 32 * 1024  # bytes
_SAID = 1 << 16  # bytes of the last words on stderr


class _Download(Exchange):
    """Writes what comes to a file instead of keeping it."""

    def __init__(self, wire: Wire, sink: BinaryIO) -> None:
        super().__init__(wire, timeout=_SECONDS, limit=_SAID)
        self._sink = sink
        self.digest = hashlib.sha256()

    def _drain(self, channel: Any) -> None:
        while channel.recv_ready():
            data = channel.recv(_CHUNK)
            self.digest.update(data)
            self._sink.write(data)
        super()._drain(channel)


def fetch(login: Login, path: str, target: Path, sha256: str, patience: Patience | None = None) -> None:
    """Have `target` (mode 0600) hold what `path` on the node holds. Raises ConnectError, StepError; leaves nothing then."""
    connector = Connector(patience or Patience())
    wire = connector.connect(login)
    try:
        target.touch(mode=0o600)
        with target.open("wb") as sink:
            download = _Download(wire, sink)
            outcome = _run(download, login, path)
        found = download.digest.hexdigest()
        if outcome.exit or found != sha256:
            said = outcome.err.decode(errors="replace").strip() or f"wanted sha256 {sha256}\nfound  sha256 {found}"
            raise StepError(
                "backup/fetch",
                f"{path} could not be fetched from {login.node} as it is there",
                detail=said,
                where=login.node,
                hint="run the same command again",
            )
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
    finally:
        wire.end()
        connector.release(login)


def _run(download: _Download, login: Login, path: str) -> Outcome:
    doing = f"fetch {path}"
    try:
        return download.run(f"{'sudo -n ' if login.sudo else ''}cat -- {quote(path)}", iter(()))
    except Lost as cause:
        raise lost(login, doing, str(cause), download.err) from cause
    except Overdue as cause:
        raise overdue(login, doing, _SECONDS, download.err) from cause
    except Flood as cause:
        error: ConnectError | StepError = flooded(login, doing, _SAID)
        raise error from cause
