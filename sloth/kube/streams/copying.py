"""Copies to and from a container by `tar` in it: what both fronts do, but for the carrying."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sloth.errors import ConnectError, KubernetesError, SlothError, UsageError
from sloth.kube.streams.channels import Piece
from sloth.kube.streams.landing import Landing, printable
from sloth.kube.streams.pack import Pack
from sloth.kube.streams.remote import STDOUT
from sloth.kube.streams.untar import Untar

Progress: TypeAlias = Callable[[int], None]
"""Called with the bytes that have been copied so far, often."""

_MUCH = 4096  # bytes of what tar says that are kept
_CHANGED = re.compile(rb"changed as we read it|removed before we read it")


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied. `left_out`: names that were not, with the reason of each."""

    files: int
    bytes: int
    left_out: tuple[tuple[str, str], ...] = ()


def split(path: str) -> tuple[str, str]:
    """The folder of a path in a container, and the last part of it. Raises UsageError: there is none."""
    if not path or "\0" in path:
        raise UsageError("kube/copy-path", "a path in the pod is missing", hint="sloth kube cp POD:/PATH LOCAL")
    folder, name = posixpath.split(posixpath.normpath(path))
    if name == "..":
        raise UsageError("kube/copy-path", f"{path} ends above where it begins", hint="name the folder itself")
    return folder or ".", name or "."


class Fetch:
    """From a container: run `command`, give `take` its output, and `finish` its exit code."""

    def __init__(self, source: str, target: Path, *, follow: bool, progress: Progress | None) -> None:
        folder, name = split(source)
        # `./` before the name: one that begins with a dash is no option then.
        self.command = ["tar", "-c", *(["-h"] if follow else []), "-f", "-", "-C", folder, f"./{name}"]
        self.source, self.progress = source, progress
        if target.is_dir():
            target = target / (name if name != "." else "")
        self._untar, self._said = Untar(), bytearray()
        whole = target.absolute()
        if not whole.parent.is_dir():
            raise UsageError("kube/copy-path", f"there is no folder {whole.parent}", hint=f"mkdir -p {whole.parent}")
        self.landing = Landing(whole.parent, whole.name, name)

    def take(self, piece: Piece) -> None:
        """A piece of output. Raises KubernetesError."""
        if piece.channel != STDOUT:
            self._said += piece.data[: max(0, _MUCH - len(self._said))]
            return
        for came in self._untar.feed(piece.data):
            self.landing.take(came)
        if self.progress:
            self.progress(self.landing.bytes)

    def finish(self, code: int) -> Copied:
        """The end. Raises KubernetesError."""
        moving = code == 1 and _CHANGED.search(self._said)
        if code and not moving:
            raise failed(self.source, code, bytes(self._said))
        self._untar.finish()
        self.landing.finish()
        notes = [(self.source, line) for line in said(bytes(self._said)).splitlines()] if moving else []
        return Copied(self.landing.files, self.landing.bytes, (*self.landing.left_out, *notes))


class Send:
    """To a container: run `command`, and meanwhile `ask`, whose answer says how to name the `blocks` that `command` reads."""

    def __init__(self, source: Path, target: str, *, follow: bool) -> None:
        if not source.exists() and not source.is_symlink():
            raise UsageError("kube/copy-path", f"there is no {source}", hint=f"ls -ld {source.parent}")
        self.source, self.target = source, target
        self._name = source.resolve().name if source.name in ("", "..") else source.name
        self._above, self._last = split(target)
        self.command = ["tar", "-x", "-f", "-", "-C", self._above]
        # A target of `/` or `.` is a folder, and so is what is written like one.
        self.ask = [] if target.endswith("/") or self._last == "." else ["test", "-d", target]
        self._pack = Pack(source, "", follow=follow)
        self._said = bytearray()

    def blocks(self, progress: Progress | None, *, folder: bool) -> Iterator[bytes]:
        """The input for the command; `folder`: the target is one, so the copy goes into it. Raises UsageError."""
        self._pack.name = f"./{self._last}/{self._name}" if folder else f"./{self._last}"
        for block in self._pack:
            yield block
            if progress:
                progress(self._pack.bytes)

    def take(self, piece: Piece) -> None:
        """A piece of output: what tar has to say."""
        self._said += piece.data[: max(0, _MUCH - len(self._said))]

    def idle(self) -> None:
        """Nothing moves any more, or the connection is gone. Raises KubernetesError if tar has complained before.

        kubelet and containerd may never tell that a command has ended which did not read all of its input (seen with 1.36.3 and
        2.4.2; kubectl waits for ever).
        """
        if self._said:
            raise failed(self.target, 0, bytes(self._said))

    def finish(self, code: int) -> Copied:
        """The end. Raises KubernetesError."""
        if code:
            raise failed(self.target, code, bytes(self._said))
        return Copied(self._pack.files, self._pack.bytes, tuple(self._pack.left_out))


def said(text: bytes) -> str:
    """What a program of a container said, fit for a terminal."""
    return "\n".join(printable(line) for line in text.decode("utf-8", "replace").splitlines())


def failed(path: str, code: int, text: bytes) -> KubernetesError:
    """The failure of `tar` itself."""
    return KubernetesError(
        "kube/copy-failed",
        f"`tar` in the container failed with exit code {code}" if code else "`tar` in the container does not go on",
        detail=said(text) or path,
        hint=f"sloth kube exec POD -- ls -ld {path}",
    )


def explained(error: SlothError, pod: str, sending: Send | None = None) -> SlothError:
    """The failure of a copy: most often there is no `tar`. What tar said before the connection ended is the better reason."""
    if sending and isinstance(error, ConnectError):
        try:
            sending.idle()
        except KubernetesError as reason:
            return reason
    if error.code == "kube/no-program":
        return KubernetesError(
            "kube/no-tar",
            f"the container of {pod} has no `tar`, which copies are made with",
            detail=error.detail,
            hint=f"one file goes without: sloth kube exec {pod} -- cat /PATH > FILE; else an ephemeral container that has it",
        )
    if isinstance(error, ConnectError) and error.code == "kube/stream-cut":
        return ConnectError(error.code, f"the copy was cut off: {error.summary}", detail=error.detail, hint="copy it again")
    return error
