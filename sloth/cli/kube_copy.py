"""What `sloth kube cp` does: files to and from a container. Without Typer, so that `quick` can begin it at once."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.model.options import Outcome
from sloth.model.words import counted

if TYPE_CHECKING:
    from sloth.cli.kube_where import Where
    from sloth.kube.streams.copying import Copied, Progress

_REMOTE = re.compile(r"(?:(?P<namespace>[a-z0-9][-a-z0-9]*)/)?(?P<pod>[a-z0-9][-a-z0-9.]*):(?P<path>.*)", re.S)
_EVERY = 0.2  # seconds between two updates of the progress


def copy(where: Where, source: str, target: str, *, container: str, follow: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.errors import UsageError

    away, back = _REMOTE.fullmatch(target), _REMOTE.fullmatch(source)
    found = away or back
    if found is None or (away and back):
        raise UsageError(
            "kube/copy-path", "one of the two paths is in a pod, the other is on this machine",
            hint="sloth kube cp FILE POD:/PATH; a local name with a colon is ./NAME",
        )  # fmt: skip
    progress = _Progress()
    with where.client() as client:
        pod, path, space = found["pod"], found["path"], found["namespace"]
        if away:
            done = client.copy_to(pod, source, path, space, container=container, follow=follow, progress=progress.shown)
        else:
            done = client.copy_from(pod, path, Path(target), space, container=container, follow=follow, progress=progress.shown)
    progress.end()
    return _outcome(done)


def _outcome(done: Copied) -> Outcome:
    """What was copied, and an exit code other than 0 if not all of it was."""
    from sloth.kube.streams.landing import printable

    for name, why in done.left_out:
        sys.stderr.write(f"left out: {printable(name)}: {printable(why)}\n")
    text = f"{counted(done.files, 'file')}, {size(done.bytes)}"
    return Outcome("KubeCopy", text=text, exit=15 if done.left_out else 0)


def size(count: int) -> str:
    """A number of bytes for people."""
    if count < 1000:
        return f"{count} B"
    number, units = count / 1000, ["kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{number:.1f} {units[0]}"


class _Progress:
    """How far it is, on a line of the terminal."""

    def __init__(self) -> None:
        self.shown: Progress | None = self._show if sys.stderr.isatty() else None
        self._begin = self._last = time.monotonic()

    def _show(self, count: int) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            sys.stderr.write(f"\r{size(count)}, {size(int(count / (now - self._begin)))}/s\x1b[K")
            sys.stderr.flush()

    def end(self) -> None:
        """Clear the line."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
