"""The engine's command line: which version, where it is, and how it is had. Its own installer is never run."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from sloth.errors import MachinesError
from sloth.model.artifact import Need

VERSION = "v3.259.0"  # the newest whose Go module can be had; the SDK in requirements/ drives it (docs/decisions/0012)
_OLDEST = (3, 259)  # from here on what is imported can be sealed (pulumi/pulumi#23984, `inputs` in import files)
_RELEASES = "https://github.com/pulumi/pulumi/releases/download/{version}/"
SOURCE = Path(__file__).parent / "source"


def need() -> Need:
    """The pinned CLI with every way to get it. The linker flag is not optional: without it the SDK refuses the version."""
    return Need(
        name="pulumi",
        version=VERSION,
        kind="binary",
        url=f"{_RELEASES}pulumi-{{version}}-linux-x64.tar.gz",
        checksum_url=f"{_RELEASES}pulumi-{{number}}-checksums.txt",
        member="pulumi/pulumi",
        source="pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        tags="osusergo",
        ldflags=f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={VERSION}",
    )


def pinned(cache_dir: Path) -> Path:
    """Where the pinned CLI is once it was fetched or built."""
    return cache_dir / "engine" / f"pulumi-{VERSION}"


def find(cache_dir: Path) -> tuple[str, str]:
    """Path and version of the CLI to use: the pinned one, else one in PATH that is new enough. Raises MachinesError."""
    if (path := pinned(cache_dir)).is_file():
        return str(path), VERSION
    if path_of := shutil.which("pulumi"):
        version = version_of(path_of)
        if _usable(version):
            return path_of, version
    raise MachinesError(
        "engine/no-cli",
        f"the Pulumi engine ({VERSION}), which makes machines at clouds, is not here",
        hint="sloth doctor --fix",
    )


@cache
def version_of(path: str) -> str:
    """What the program says of itself (`v3.259.0`), "" where it says nothing."""
    try:
        done = subprocess.run([path, "version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _usable(version: str) -> bool:
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.\d+\S*", version)
    return match is not None and (int(match[1]), int(match[2])) >= _OLDEST and match[1] == "3"
