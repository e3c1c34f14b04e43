"""What can be done on a node. Scripts yield steps; only the engine executes them.

A step's shell text is POSIX `sh`, run as root with `LC_ALL=C` and without `set -e` (so write `a && b`). A list of steps is
one SSH round trip: they run in order and stop at the first failure.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from sloth.model.secret import Secret

T = TypeVar("T")
NO_ENV: Mapping[str, Secret] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """How often a step may be tried again. Retries are declared, with a reason, never implied."""

    attempts: int = 1
    delay: float = 1.0  # seconds between attempts
    reason: str = ""


ONCE = Retry()


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Read something. Changes nothing; runs for real in a rehearsal when the node exists.

    `run` begins with a reading verb (`sloth.testing.contract.READING_VERBS`). `expected` is the output assumed
    when the node does not exist yet. With `check` false a non-zero exit is an answer, not a failure.
    """

    title: str
    run: str
    expected: str = ""
    check: bool = True
    secret: bool = False  # the output is secret: masked in logs, learnt by the masker
    timeout: float = 60.0  # seconds
    retry: Retry = ONCE


@dataclass(frozen=True, kw_only=True, slots=True)
class Do:
    """Change something. When the shell condition `unless` succeeds on the node, nothing is run and nothing changed.

    `env` reaches the command as environment variables over stdin, never in arguments. `hint` goes into the error.
    """

    title: str
    run: str
    unless: str = ""
    env: Mapping[str, Secret] = field(default_factory=lambda: NO_ENV)
    expected: str = ""
    secret: bool = False
    timeout: float = 300.0  # seconds
    retry: Retry = ONCE
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """Make a file have exactly this content, mode and owner. Written aside and renamed; unchanged files are left alone.

    `then` is a shell command that runs only if the file changed, for example a service restart.
    """

    path: str
    content: str | bytes | Secret
    mode: int = 0o644
    owner: str = "root:root"
    then: str = ""
    timeout: float = 60.0  # seconds
    retry: Retry = ONCE

    @property
    def title(self) -> str:
        """What views show for this step."""
        return f"write {self.path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """Make a file on the node have the content of a local file of the given SHA-256, sent once if it differs."""

    path: str
    source: str  # path on this machine
    sha256: str
    mode: int = 0o755
    timeout: float = 600.0  # seconds
    retry: Retry = ONCE

    @property
    def title(self) -> str:
        """What views show for this step."""
        return f"upload {self.path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Poll the shell condition `until` on the node itself (one round trip) until it succeeds.

    When `timeout` passes, the output of `diagnose` becomes the error's evidence.
    """

    title: str
    until: str
    timeout: float = 120.0  # seconds
    every: float = 1.0  # seconds
    diagnose: str = ""
    hint: str = ""
    expected: str = ""

    @property
    def retry(self) -> Retry:
        """Waiting is its own retry."""
        return ONCE


Step: TypeAlias = Ask | Do | Put | Upload | Wait


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of one step. `predicted` results come from a rehearsal's guess, not from a node."""

    exit: int = 0
    out: str = ""  # stdout, without the trailing newline
    err: str = ""  # stderr, without the trailing newline
    changed: bool = False
    predicted: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return self.exit == 0


# What a script on one node is: it yields a step (and receives its Result) or a list of steps (and receives the list of Results).
Script: TypeAlias = Generator[Step | list[Step], "Result | list[Result]", T]
