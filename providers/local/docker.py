"""The `docker` command, with argument lists, and its failures in words."""

from __future__ import annotations

import logging
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from sloth.api import MachinesError

log = logging.getLogger(__name__)

# What the client says, the slug for it, and what to do. First match wins.
_CAUSES = (
    ("permission denied", "local/engine-denied", "this user may not use the Docker engine"),
    ("cannot connect to the docker daemon", "local/engine-down", "the Docker engine is not running"),
    ("error during connect", "local/engine-down", "the Docker engine is not running"),
    ("is the docker daemon running", "local/engine-down", "the Docker engine is not running"),
)


@dataclass(frozen=True)
class Docker:
    """Runs `docker` subcommands. Nothing secret may be in arguments: secrets go through `stdin`."""

    program: str = "docker"

    def call(self, *args: str, stdin: bytes | IO[bytes] | None = None, timeout: float = 120.0) -> str:
        """Run one subcommand; returns its standard output. Raises MachinesError, also after `timeout` seconds."""
        done = self.attempt(*args, stdin=stdin, timeout=timeout)
        if done.returncode != 0:
            raise failure(args, done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace").strip()

    def attempt(
        self, *args: str, stdin: bytes | IO[bytes] | None = None, timeout: float = 120.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one subcommand whose failure is an answer. Raises MachinesError if it cannot be run or takes too long."""
        feed: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
        log.debug("docker %s", shlex.join(args))
        try:
            return subprocess.run([self.program, *args], capture_output=True, check=False, timeout=timeout, **feed)
        except FileNotFoundError:
            raise _no_client() from None
        except subprocess.TimeoutExpired:
            raise MachinesError(
                "local/docker-timeout",
                f"`docker {args[0]}` gave no answer for {timeout:.0f} s",
                detail=shlex.join(["docker", *args]),
                hint="see whether the engine answers: docker info",
            ) from None

    @contextmanager
    def open(self, *args: str, stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
        """A running subcommand with a pipe to its stdin, ended (pipe closed, then waited for) on the way out."""
        log.debug("docker %s", shlex.join(args))
        try:
            process = subprocess.Popen([self.program, *args], stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise _no_client() from None
        try:
            yield process
        finally:
            _end(process)

    def rows(self, *args: str, **fields: str) -> list[Mapping[str, Any]]:
        """The rows of a listing subcommand, each with the given fields (name -> Go template expression)."""
        import json

        template = "{" + ",".join(f'"{name}":{{{{json {expression}}}}}' for name, expression in fields.items()) + "}"
        return [json.loads(line) for line in self.call(*args, "--format", template).splitlines()]


def failure(args: tuple[str, ...], stderr: str, summary: str = "") -> MachinesError:
    """The error for a subcommand that failed with this output."""
    text = stderr.strip()
    for words, code, cause in _CAUSES:
        if words in text.lower():
            return MachinesError(code, cause, detail=text, hint="sloth doctor --fix")
    return MachinesError(
        "local/docker-failed",
        summary or f"`docker {args[0]}` failed",
        detail=f"{shlex.join(['docker', *args])}\n{text}",
        hint="see what the engine says: docker info",
    )


def _no_client() -> MachinesError:
    return MachinesError("local/docker-missing", "there is no `docker` command", hint="sloth doctor --fix")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close its stdin, give it 20 s to end by itself, then end it."""
    if process.stdin and not process.stdin.closed:
        try:
            process.stdin.close()
        except BrokenPipeError:
            log.debug("docker had closed its stdin already")
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
