"""The stand-ins under test: without the programs they carry (for what they refuse), and whole (for what they run)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.build import HERE
from tests.standins.lab import Lab

VERSIONS = {"k3s": "v1.36.3+k3s1", "rke2": "v1.36.3+rke2r1"}


class Bare:
    """An executable without its programs: command line, configuration and checks only."""

    def __init__(self, program: Path, root: Path) -> None:
        self.program = program
        self.root = root
        self.distro = program.name

    def config(self, text: str, name: str = "config.yaml") -> None:
        """Write /etc/rancher/DISTRO/NAME below the test's own root."""
        path = self.root / "etc" / "rancher" / self.distro / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [str(self.program), *words],
            env={**os.environ, "STANDIN_ROOT": str(self.root), **env},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def refuses(self, *words: str, **env: str) -> str:
        """What it says when it ends with exit code 1."""
        done = self.run(*words, **env)
        assert done.returncode == 1, f"{words} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stderr


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both executables, linked only."""
    folder = tmp_path_factory.mktemp("bare")
    for distro, version in VERSIONS.items():
        flags = f"-s -w -X main.distroName={distro} -X main.version={version}"
        command = ["go", "build", "-trimpath", "-ldflags", flags, "-o", str(folder / distro), "."]
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
        subprocess.run(command, cwd=HERE, env=env, check=True)
    return {distro: folder / distro for distro in VERSIONS}


@pytest.fixture
def k3s(programs: dict[str, Path], tmp_path: Path) -> Bare:
    """K3s' stand-in."""
    return Bare(programs["k3s"], tmp_path)


@pytest.fixture
def rke2(programs: dict[str, Path], tmp_path: Path) -> Bare:
    """RKE2's stand-in."""
    return Bare(programs["rke2"], tmp_path)


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three machines that are network namespaces: servers without agents run in them."""
    made = Lab(tmp_path_factory.mktemp("lab"), request.param, VERSIONS[request.param])
    try:
        yield made
    finally:
        made.close()
