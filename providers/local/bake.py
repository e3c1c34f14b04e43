"""Put artifacts into a node image: binaries as files, images unpacked into containerd's store.

The work is done in one container that lives as long as its stdin is held open: when this process ends, killed or
not, the container ends and Docker removes it with its volume.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO

from sloth.api import Artifact, MachinesError

from .docker import Docker, failure
from .labels import IMAGE, MODE
from .packages import Tell, text
from .profile import CAPABILITIES, PRIVILEGED, run_options

ENTRYPOINT = "/usr/local/sbin/sloth-node"
_LABEL = "sloth.bake"
_SLOW = 900.0  # seconds for one import or commit on a slow disk


@dataclass(frozen=True)
class Oven:
    """One running bake container."""

    docker: Docker
    name: str

    def put(self, entries: Iterable[tuple[str, Path | Traversable, int]]) -> None:
        """Copy files (target path, source, mode) into the container as one stream."""
        command = ("cp", "-", f"{self.name}:/")
        with self.docker.open(*command) as process:
            _write_tar(process.stdin, entries)
            _, error = process.communicate(timeout=_SLOW)
        if process.returncode != 0:
            raise failure(command, error.decode(errors="replace"))

    def run(self, program: str) -> None:
        """Run a shell program of templates/node inside. Its text goes over stdin, not as an argument."""
        self.docker.call("exec", "-i", self.name, "sh", "-s", stdin=text(program).encode(), timeout=_SLOW)

    def load(self, image: Artifact, archive: Path) -> None:
        """Import one image archive; its layers are dropped once unpacked."""
        with archive.open("rb") as stream:
            self.docker.call(
                "exec", "-i", self.name,
                "ctr", "-n", "k8s.io", "images", "import", "--local", "--discard-unpacked-layers", "-",
                stdin=stream, timeout=_SLOW,
            )  # fmt: skip
        known = self.docker.call("exec", self.name, "ctr", "-n", "k8s.io", "images", "ls", "-q").split()
        if image.ref not in known:
            raise MachinesError(
                "local/image-name", f"the archive of image `{image.name}` does not hold `{image.ref}`",
                detail=f"{archive}\nheld: {' '.join(known)}", hint=f"make the archive again: rm {archive}",
            )  # fmt: skip


def bake(docker: Docker, base: str, ref: str, goods: Sequence[tuple[Artifact, Path]], *, key: str, tell: Tell) -> None:
    """Make image `ref` from `base` with `goods` inside. The tag is set last. Raises MachinesError."""
    sweep(docker)
    mode = probe_mode(docker, base)
    total = float(sum(artifact.size for artifact, _ in goods)) + 1
    with _oven(docker, base, mode) as oven:
        tell("node image: set up", 0, total)
        oven.put([(path, source, 0o644) for path, source in tree(files("sloth.templates") / "node" / "files")])
        oven.run("setup.sh")
        _deliver(oven, goods, tell, total)
        tell("node image: save", total - 1, total)
        docker.call(
            "commit", "--change", f'ENTRYPOINT ["{ENTRYPOINT}"]', "--change", "CMD []", "--change", "ENV container=docker",
            "--change", f"LABEL {IMAGE}={key} {MODE}={mode} {_LABEL}=",
            oven.name, ref, timeout=_SLOW,
        )  # fmt: skip
    tell("node image: ready", total, total)


def _deliver(oven: Oven, goods: Sequence[tuple[Artifact, Path]], tell: Tell, total: float) -> None:
    binaries = [(artifact, path) for artifact, path in goods if artifact.kind == "binary"]
    images = [(artifact, path) for artifact, path in goods if artifact.kind == "image"]
    tell(f"node image: {len(binaries)} binaries", 0, total)
    oven.put([(artifact.path, path, 0o755) for artifact, path in binaries])
    done = float(sum(artifact.size for artifact, _ in binaries))
    if not images:
        return
    oven.run("containerd.sh")
    for artifact, path in images:
        tell(f"node image: {artifact.ref}", done, total)
        oven.load(artifact, path)
        done += artifact.size
    oven.run("pack.sh")


def probe_mode(docker: Docker, image: str) -> str:
    """`privileged` where this engine can start such containers, else `capabilities`."""
    done = docker.attempt("run", "--rm", *run_options(PRIVILEGED), "--entrypoint", "true", image)
    return PRIVILEGED if done.returncode == 0 else CAPABILITIES


def sweep(docker: Docker) -> None:
    """Remove bake containers whose maker has ended (one is left only if the engine itself was stopped meanwhile)."""
    for row in docker.rows("ps", "--all", "--filter", f"label={_LABEL}", id=".ID", owner=f'(.Label "{_LABEL}")'):
        if row["owner"] and not _alive(row["owner"]):
            docker.attempt("rm", "--force", "--volumes", row["id"])


def tree(root: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """All files below `root`, with their paths from it."""
    for entry in root.iterdir():
        path = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from tree(entry, path)
        else:
            yield path, entry


@contextmanager
def _oven(docker: Docker, base: str, mode: str) -> Iterator[Oven]:
    name = f"sloth-bake-{os.getpid()}-{time.monotonic_ns() % 10**9}"
    command = (
        "run", "--rm", "--interactive", "--name", name, "--label", f"{_LABEL}={_owner()}", *run_options(mode),
        "--network", "none", "--tmpfs", "/run", "--mount", "type=volume,dst=/bake", "--entrypoint", "cat", base,
    )  # fmt: skip
    with docker.open(*command) as process:
        _wait_running(docker, name, process, command)
        yield Oven(docker, name)


def _wait_running(docker: Docker, name: str, process: subprocess.Popen[bytes], command: tuple[str, ...]) -> None:
    deadline = time.monotonic() + 60
    while docker.attempt("exec", name, "true").returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            error = process.stderr.read() if process.poll() is not None and process.stderr else b"no start within 60 s"
            raise failure(command, error.decode(errors="replace"), "the container that bakes the node image does not start")
        time.sleep(0.1)


def _write_tar(stream: IO[bytes] | None, entries: Iterable[tuple[str, Path | Traversable, int]]) -> None:
    try:
        with tarfile.open(fileobj=stream, mode="w|", bufsize=1 << 20) as tar:
            for target, source, mode in entries:
                with source.open("rb") as content:
                    info = tarfile.TarInfo(target.lstrip("/"))
                    info.size, info.mode = content.seek(0, os.SEEK_END), mode
                    content.seek(0)
                    tar.addfile(info, content)
    except BrokenPipeError:
        return  # the command ended early; its own words are the better error


def _owner() -> str:
    return f"{os.uname().nodename}:{os.getpid()}"


def _alive(owner: str) -> bool:
    host, _, pid = owner.rpartition(":")
    if host != os.uname().nodename or not pid.isdigit():
        return True  # made on another machine: not ours to judge
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
