"""A command in a container (exec) or its main process (attach), without I/O: output in pieces, and in the end an exit code.

Sources: kubernetes: apimachinery, pkg/util/remotecommand/constants.go (channels, versions of the protocol, causes of the status);
KEP-4006 (v5: a message to channel 255 closes the channel that it names).
"""

from __future__ import annotations

import json
from typing import Any

from sloth.errors import ConnectError, KubernetesError
from sloth.kube.streams.channels import Channels, Piece

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)
_LONG = 64 * 1024  # bytes of a status that are looked at
_NO_PROGRAM = ("executable file not found", "no such file or directory")


class Remote:
    """The client's side. `outgoing` is to be sent; `over` says that no more output comes, then `code` has the answer."""

    def __init__(self, protocol: str, what: str) -> None:
        self.channels = Channels()
        self.outgoing = self.channels.outgoing
        self.what = what
        self.half_close = protocol == V5
        self._status = bytearray()
        self._stdin_open = True

    @property
    def over(self) -> bool:
        """Whether no more output comes."""
        return self.channels.over

    def feed(self, data: bytes) -> list[Piece]:
        """What the command wrote: pieces of STDOUT and STDERR. No bytes mean that the connection has ended."""
        pieces = []
        for piece in self.channels.feed(data):
            if piece.channel == STATUS:
                self._status += piece.data[: max(0, _LONG - len(self._status))]
            elif piece.channel in (STDOUT, STDERR) and piece.data:
                pieces.append(piece)
        return pieces

    def stdin(self, data: bytes) -> None:
        """Queue input. After the end of input it goes nowhere."""
        if data and self._stdin_open and not self.over:
            self.channels.send(STDIN, data)

    def may_end_input(self) -> None:
        """Nothing, if the server can be told that the input has ended. Raises KubernetesError."""
        if not self.half_close:
            raise KubernetesError(
                "kube/no-end-of-input",
                f"{self.what}: this cluster cannot be told that the input has ended",
                detail="the API server speaks version 4 of the protocol only; the end of input came with version 5",
                hint="use Kubernetes 1.30 or newer, or a command that knows itself when it has read enough",
            )

    def close_stdin(self) -> None:
        """Queue the end of input, with a server that understands it."""
        if self._stdin_open and self.half_close:
            self.channels.send(CLOSE, bytes((STDIN,)))
        self._stdin_open = False

    def resize(self, columns: int, rows: int) -> None:
        """Queue a new size of the terminal."""
        if not self.over:
            self.channels.send(RESIZE, json.dumps({"Width": columns, "Height": rows}).encode())

    def close(self) -> None:
        """Queue the end of the conversation; the command may go on."""
        self.channels.close()

    def code(self) -> int:
        """The exit code. Raises KubernetesError (the command never ran), ConnectError (nobody knows how it ended)."""
        status = _parsed(bytes(self._status))
        if not status:
            raise ConnectError(
                "kube/stream-cut",
                f"{self.what}: the connection ended before the command did",
                detail=self.channels.reason or "no status came",
                hint="run it again; `sloth status` says whether the node is well",
            )
        if status.get("status") == "Success":
            return 0
        code = _exit_code(status)
        if code is None:
            raise never_ran(self.what, str(status.get("message") or status.get("reason") or "no reason was given"))
        return code


def never_ran(what: str, why: str) -> KubernetesError:
    """The failure of a command that could not be started."""
    if any(text in why for text in _NO_PROGRAM):
        return KubernetesError(
            "kube/no-program",
            f"{what}: the container has no such program",
            detail=why,
            hint="name a program that its image has; many images have no shell",
        )
    return KubernetesError(
        "kube/exec-failed", f"{what}: the command could not be run", detail=why, hint="sloth kube get pod NAME --output yaml"
    )


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("status"), str) else {}


def _exit_code(status: dict[str, Any]) -> int | None:
    """The code in a status that says the command ended with one other than 0."""
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    for cause in causes if isinstance(causes, list) else ():
        if isinstance(cause, dict) and cause.get("reason") == "ExitCode":
            text = str(cause.get("message", ""))
            return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    return None
