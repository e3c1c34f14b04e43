"""One `go build`, watched: how far it is, how long it may still take, and what it said when it failed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sloth.adapters.artifacts.toolchain import Toolchain
from sloth.contracts.provider import Emit
from sloth.errors import MachinesError
from sloth.model.event import Event

log = logging.getLogger(__name__)
_EVERY = 0.5  # seconds between two progress events
_KEPT = 40  # last lines of a failed build
_LINKING = 0.12  # share of the time that goes into linking, when nothing is printed any more (measured: 50 s of 450 s)


@dataclass(frozen=True, kw_only=True)
class Build:
    """What to build: main packages of one module folder."""

    title: str
    source: Path
    packages: tuple[str, ...]
    tags: str
    ldflags: str
    arch: str

    def command(self, go: str, verb: str, *words: str) -> list[str]:
        """A `go VERB` over the packages, with the flags that decide what is compiled."""
        return [go, verb, *words, "-trimpath", *([f"-tags={self.tags}"] if self.tags else []), *self.packages]


def run_build(build: Build, toolchain: Toolchain, target: Path, emit: Emit, *, before: float = 0) -> float:
    """Build into the folder `target`; returns the seconds it took, `before` being those of an earlier build.

    Raises MachinesError.
    """
    began = time.monotonic()
    clock = _Clock(build.title, emit, before)
    clock.tell("looking at its modules")  # on a fresh machine they are fetched now: minutes, without a count
    clock.total = _count(build, toolchain)
    command = build.command(toolchain.command, "build", "-v", f"-ldflags={build.ldflags}", "-o", f"{target}/")
    last: deque[str] = deque(maxlen=_KEPT)
    with _running(command, build, toolchain) as process:
        for line in process.stderr or ():
            last.append(line.rstrip())
            clock.compiled(line)
        code = process.wait()
    if code:
        raise _failure(build, code, "\n".join(last))
    clock.finish()
    return time.monotonic() - began


def _count(build: Build, toolchain: Toolchain) -> int:
    """How many packages there are to compile, at most. Reads (and if need be downloads) modules only."""
    command = build.command(toolchain.command, "list", "-deps")
    with _running(command, build, toolchain, stdout=subprocess.PIPE) as process:
        out, err = process.communicate()
    if process.returncode:
        raise _failure(build, process.returncode, err)
    return len(out.splitlines())


@contextmanager
def _running(
    command: Sequence[str], build: Build, toolchain: Toolchain, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, which does not outlive the block."""
    log.debug("run %s in %s", command, build.source)
    env = toolchain.environment(build.arch)
    process = subprocess.Popen(
        command, cwd=build.source, env=env, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        with process:
            try:
                yield process
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                raise
    except ProcessLookupError:
        log.debug("%s had ended", command[0])


def _failure(build: Build, code: int, text: str) -> MachinesError:
    offline = any(word in text for word in ("dial tcp", "no such host", "i/o timeout", "connection refused"))
    hint = "set GOPROXY to a Go module proxy that this machine reaches" if offline else "run it again with --debug for all of it"
    return MachinesError(
        "artifacts/build-failed",
        f"{build.title} failed with exit code {code}",
        detail=text[-4000:],
        where=str(build.source),
        hint=hint,
    )


class _Clock:
    """Tells how far a build is, at most twice a second."""

    def __init__(self, title: str, emit: Emit, before: float) -> None:
        self._title = title
        self._emit = emit
        self._before = before
        self._began = time.monotonic()
        self._told = 0.0
        self._done = 0
        self.total = 0

    def compiled(self, line: str) -> None:
        """A line of `go build -v`: the name of a package, as its compilation begins."""
        name = line.strip()
        if not name or " " in name or name.startswith("#"):
            return
        self._done = min(self._done + 1, self.total)
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            self.tell(f"{name}, {_words(self._left(now - self._began))}")

    def _left(self, passed: float) -> float:
        """Seconds that are left: from an earlier build where there was one, else from the pace so far."""
        if self._before > passed:
            return self._before - passed
        share = (1 - _LINKING) * self._done / max(self.total, 1)
        return passed * (1 - share) / share

    def tell(self, detail: str) -> None:
        """Say something of the build, with how far it is."""
        self._emit(Event(kind="progress", title=self._title, detail=detail, done=self._done, total=self.total))

    def finish(self) -> None:
        """All is built, whether compiled now or found in Go's own cache."""
        self._done = self.total
        self.tell("done")


def _words(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {max(seconds, 1):.0f} s left"
