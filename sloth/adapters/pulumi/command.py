"""Running the CLI so that an interrupt never tears it away from what it is creating.

The SDK's own runner is killed together with its reader when Ctrl-C arrives, and leaves locks and half-known resources behind.
Here the CLI gets a session of its own, so that the terminal's signal does not reach it; it is told to stop by `interrupt`:
once = finish what is in flight, save, unlock; twice = stop now (Pulumi CLI: pkg/backend/display, cancellation by SIGINT).
"""

from __future__ import annotations

import codecs
import math
import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sloth.errors import Interrupted

if TYPE_CHECKING:
    from pulumi.automation import CommandResult

Say = Callable[[str], object]
_KEPT = 4000  # lines of stderr that are kept for errors
_REST = 10.0  # seconds for what is still in the pipes after the CLI's end
_LOOK = 0.2  # seconds until it is looked whether the CLI ended while somebody else holds its pipes
_CHUNK = 65536  # bytes at a time: what a pipe holds


class Command:
    """What the automation API takes for a `PulumiCommand`: it has `version` and `run`."""

    def __init__(self, path: str, version: str, environment: Mapping[str, str]) -> None:
        from semver import VersionInfo

        self.command = path
        self.version = VersionInfo.parse(version.removeprefix("v"))
        self._environment = dict(environment)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.RLock()  # a signal's handler may need it in the thread that has it
        self.signals = 0

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Say | None = None,
        on_error: Say | None = None,
    ) -> CommandResult:
        """Run to the end and return the result. Raises pulumi.automation.CommandError where the CLI failed, and Interrupted
        instead of beginning anything once `interrupt` was called.
        """
        from pulumi.automation import CommandResult
        from pulumi.automation.errors import create_command_error

        process = self._begun([self.command, "--non-interactive", *args], cwd, {**self._environment, **additional_env})
        try:
            out, err = _drained(process, on_output, on_error)
        except BaseException:  # a second Ctrl-C in a thread that waits itself: a question, which changes nothing
            process.kill()
            process.wait()
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        result = CommandResult(stderr=err, stdout=out, code=process.returncode)
        if process.returncode != 0:
            raise create_command_error(result)
        return result

    def _begun(self, words: list[str], cwd: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """The process, started and registered as one: whoever ends or interrupts finds all that were begun."""
        with self._lock:
            if self.signals:
                raise Interrupted("run/interrupted", "interrupted: nothing more was begun at the clouds", hint="sloth up")
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env={**os.environ, **environment, "PULUMI_AUTOMATION_API": "true"},
                start_new_session=True,
            )
            self._running.add(process)
            if self.signals:  # a signal's handler came amid the start, in this thread; never two, which would mean "at once"
                process.send_signal(signal.SIGINT)
        return process

    def interrupt(self) -> None:
        """Tell every running CLI to stop: the first time gracefully, the second time at once."""
        with self._lock:
            self.signals += 1
            for process in self._running:
                process.send_signal(signal.SIGINT)

    def end(self, patience: float) -> None:
        """Have every running CLI end within `patience` seconds: told to stop at once, and by force where it does not."""
        with self._lock:
            running = list(self._running)
        if not running:
            return
        self.interrupt()
        deadline = time.monotonic() + patience
        while any(process.poll() is None for process in running) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in running:
            if process.poll() is None:
                process.kill()


def _drained(process: subprocess.Popen[bytes], on_output: Say | None, on_error: Say | None) -> tuple[str, str]:
    """Both streams to their ends: a full pipe would stop the CLI in the middle of its work.

    One thread reads both, the caller's, so that an interrupt at any instruction leaves no reader behind that somebody must stop.
    """
    assert process.stdout is not None and process.stderr is not None  # noqa: S101  both were asked for
    # All of stdout: an exported state is 50 lines for each server.
    out, err = _Lines(on_output, 0), _Lines(on_error, _KEPT)
    with process.stdout, process.stderr, selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ, out)
        ready.register(process.stderr, selectors.EVENT_READ, err)
        until = math.inf
        while ready.get_map() and time.monotonic() < until:
            for key, _ in ready.select(_LOOK):
                chunk = os.read(key.fd, _CHUNK)
                key.data.take(chunk)
                if not chunk:
                    ready.unregister(key.fileobj)
            if until == math.inf and process.poll() is not None:
                until = time.monotonic() + _REST  # a grandchild may hold the pipes open
    process.wait()
    return out.text, err.text


class _Lines:
    """A stream's lines: each is said as soon as it is whole, and the last `most` are kept (0: all)."""

    def __init__(self, say: Say | None, most: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._say = say or (lambda line: None)
        self._kept: deque[str] = deque(maxlen=most or None)
        self._rest = ""

    @property
    def text(self) -> str:
        """What was kept."""
        return "\n".join(self._kept)

    def take(self, chunk: bytes) -> None:
        """What was read; nothing at all is the stream's end."""
        *lines, self._rest = (self._rest + self._decoder.decode(chunk, final=not chunk)).split("\n")
        if not chunk and self._rest:
            lines.append(self._rest)
        for line in map(str.rstrip, lines):
            self._say(line)
            self._kept.append(line)
