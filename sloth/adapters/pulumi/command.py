"""Running the CLI so that an interrupt never tears it away from what it is creating.

The SDK's own runner is killed together with its reader when Ctrl-C arrives, and leaves locks and half-known resources behind.
Here the CLI gets a session of its own, so that the terminal's signal does not reach it; it is told to stop by `interrupt`:
once = finish what is in flight, save, unlock; twice = stop now (Pulumi CLI: pkg/backend/display, cancellation by SIGINT).
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING

from sloth.errors import Interrupted

if TYPE_CHECKING:
    from pulumi.automation import CommandResult

Say = Callable[[str], object]
_KEPT = 4000  # lines of stderr that are kept for errors
_REST = 10.0  # seconds for what is still in the pipes after the CLI's end


class Command:
    """What the automation API takes for a `PulumiCommand`: it has `version` and `run`."""

    def __init__(self, path: str, version: str, environment: Mapping[str, str]) -> None:
        from semver import VersionInfo

        self.command = path
        self.version = VersionInfo.parse(version.removeprefix("v"))
        self._environment = dict(environment)
        self._running: set[subprocess.Popen[str]] = set()
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

    def _begun(self, words: list[str], cwd: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
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
                encoding="utf-8",
                errors="replace",
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


def _drained(process: subprocess.Popen[str], on_output: Say | None, on_error: Say | None) -> tuple[str, str]:
    """Both streams to their ends: a full pipe would stop the CLI in the middle of its work."""
    texts: dict[str, list[str]] = {"out": [], "err": []}

    def read(stream: IO[str], say: Say | None, kept: list[str], most: int) -> None:
        with stream:  # closed by the thread that reads it: to close a pipe while another thread reads it waits for that thread
            for line in stream:
                text = line.rstrip()
                if say:
                    say(text)
                kept.append(text)
                if most:
                    del kept[:-most]

    assert process.stdout is not None and process.stderr is not None  # noqa: S101  both were asked for
    # All of stdout: an exported state is 50 lines for each server.
    jobs = ((process.stdout, on_output, texts["out"], 0), (process.stderr, on_error, texts["err"], _KEPT))
    threads = [threading.Thread(target=read, args=job, daemon=True) for job in jobs]
    try:
        for thread in threads:
            thread.start()
        process.wait()
        for thread in threads:
            thread.join(_REST)  # a grandchild may hold the pipe open
    except BaseException:  # interrupted: what no thread has begun to read, nobody else closes
        for thread, (stream, *_) in zip(threads, jobs, strict=True):
            if thread.ident is None:
                stream.close()
        raise
    return "\n".join(texts["out"]), "\n".join(texts["err"])
