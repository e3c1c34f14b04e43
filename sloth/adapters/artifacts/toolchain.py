"""The Go toolchain of this machine: found, new enough, and run with nothing of the user's settings that would weaken checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sloth.errors import MachinesError

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_DIRECTIVE = re.compile(r"^go (\S+)$", re.MULTILINE)
# Settings that switch off module verification or change what is built. go.sum and the checksum database stay in force.
_DROPPED = frozenset(
    {"GOFLAGS", "GONOSUMDB", "GONOSUMCHECK", "GOINSECURE", "GO111MODULE", "GODEBUG", "GOEXPERIMENT", "GOTOOLCHAIN"}
)
_NO_OTHER = "GOTOOLCHAIN=local"  # never fetch another toolchain by itself
_FIXED = (
    _NO_OTHER,
    "CGO_ENABLED=0",
    "GOFLAGS=-mod=readonly -buildvcs=false",
    "GOSUMDB=sum.golang.org",
    "GOWORK=off",
    "GOOS=linux",
    "GOAMD64=v1",
)
_INSTALL = "install Go from https://go.dev/dl, or set spec.artifacts.mirror"


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """A usable `go` command."""

    command: str
    version: str  # `go1.26.8`

    def environment(self, arch: str) -> dict[str, str]:
        """Environment of every run: static binaries, modules as go.sum has them, no silent change of toolchain."""
        kept = {key: value for key, value in os.environ.items() if key not in _DROPPED}
        return {**kept, **_pairs(_FIXED), "GOARCH": arch}


def find_toolchain(sources: Sequence[Path]) -> Toolchain:
    """The machine's Go, if it is new enough for these module folders. Raises MachinesError."""
    wanted = max((_wanted(source) for source in sources), default=(0, 0, 0))
    command = shutil.which("go")
    if command is None:
        raise MachinesError(
            "artifacts/go-missing",
            f"building from source needs Go {_text(wanted)} or newer, and there is no `go` on this machine",
            hint=_INSTALL,
        )
    version = _ask(command)
    if _number(version) < wanted:
        raise MachinesError(
            "artifacts/go-too-old",
            f"building from source needs Go {_text(wanted)} or newer; {command} is {version}",
            hint=_INSTALL,
        )
    return Toolchain(command=command, version=version)


def _pairs(settings: Iterable[str]) -> dict[str, str]:
    return {key: value for key, _, value in (setting.partition("=") for setting in settings)}


def _ask(command: str) -> str:
    env = {**os.environ, **_pairs([_NO_OTHER])}
    try:
        done = subprocess.run([command, "env", "GOVERSION"], check=True, capture_output=True, text=True, timeout=30, env=env)
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", "") or str(error)
        raise MachinesError("artifacts/go-broken", f"{command} does not work", detail=detail, hint=_INSTALL) from None
    return done.stdout.strip()


def _wanted(source: Path) -> tuple[int, int, int]:
    found = _DIRECTIVE.search((source / "go.mod").read_text(encoding="utf-8"))
    return _number(found[1]) if found else (0, 0, 0)


def _number(version: str) -> tuple[int, int, int]:
    found = _VERSION.search(version)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def _text(number: tuple[int, int, int]) -> str:
    return ".".join(map(str, number))
