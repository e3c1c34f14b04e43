"""The image with the node's Debian packages: by the Dockerfile where a registry can be reached, by mmdebstrap where not."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from sloth.api import MachinesError

from .docker import Docker, failure

log = logging.getLogger(__name__)

RELEASE = "bookworm"
_REGISTRY = ("registry-1.docker.io", 443)
_PROBE_TIMEOUT = 3.0  # seconds; longer and a machine without internet waits for nothing
_BUILD_TIMEOUT = 1800.0  # seconds
_STAGES = 10  # lines that mmdebstrap says in an undisturbed run
Tell = Callable[[str, float, float], None]  # what, done, total


def text(name: str) -> str:
    """A file of templates/node."""
    return (files("sloth.templates") / "node" / name).read_text(encoding="utf-8")


def package_names() -> list[str]:
    """The package list, without comments."""
    lines = (line.split("#")[0].strip() for line in text("packages.txt").splitlines())
    return [line for line in lines if line]


def build(docker: Docker, tag: str, cache: Path, tell: Tell) -> None:
    """Make image `tag`. The tag is set by the last act of a build, so a killed one leaves none. Raises MachinesError."""
    problem: MachinesError | None = None
    if registry_reachable(docker):
        try:
            return _dockerfile(docker, tag, tell)
        except MachinesError as error:  # an engine may be cut off from what this machine can reach
            log.info("the Dockerfile could not be built, next is mmdebstrap: %s", error.detail)
            problem = error
    if shutil.which("mmdebstrap"):
        return _mmdebstrap(docker, tag, cache, tell)
    raise problem or MachinesError(
        "local/no-base-image",
        "the node image cannot be built: no registry can be reached, and there is no `mmdebstrap` to do without",
        hint="sloth doctor --fix",
    )


def registry_reachable(docker: Docker) -> bool:
    """Whether it is worth asking the engine for the base image: it is there, or a registry, mirror or proxy is."""
    if docker.attempt("image", "inspect", "--format", "{{.Id}}", f"debian:{RELEASE}-slim").returncode == 0:
        return True
    ways = docker.call("info", "--format", '{{with .RegistryConfig}}{{join .Mirrors " "}}{{end}}{{.HTTPSProxy}}')
    if ways:
        return True
    try:
        socket.create_connection(_REGISTRY, _PROBE_TIMEOUT).close()
    except OSError:
        return False
    return True


def _dockerfile(docker: Docker, tag: str, tell: Tell) -> None:
    tell("packages: docker build", 0, 1)
    with tempfile.TemporaryDirectory(prefix="sloth-build-") as folder:
        for name in ("Dockerfile", "packages.txt"):
            (Path(folder) / name).write_text(text(name), encoding="utf-8")
        docker.call("build", "--quiet", "--tag", tag, folder, timeout=_BUILD_TIMEOUT)
    tell("packages: docker build", 1, 1)


def _mmdebstrap(docker: Docker, tag: str, cache: Path, tell: Tell) -> None:
    """Pipe a root file system from mmdebstrap into `docker import`; nothing is kept on disk but mmdebstrap's own work."""
    with tempfile.TemporaryDirectory(prefix="mmdebstrap-", dir=cache) as folder:
        command = ["mmdebstrap", "--variant=minbase", "--include=" + ",".join(package_names()), RELEASE, "-"]
        source = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": folder},
        )  # fmt: skip
        try:
            _import(docker, tag, source, tell)
        finally:
            if source.poll() is None:
                source.terminate()
                source.wait()


def _import(docker: Docker, tag: str, source: subprocess.Popen[bytes], tell: Tell) -> None:
    assert source.stdout and source.stderr  # noqa: S101 — pipes were asked for
    command = ("import", "--change", 'CMD ["/sbin/init"]', "-", f"{tag}-part")
    sink = subprocess.Popen([docker.program, *command], stdin=source.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    source.stdout.close()  # now only the sink holds it, and the source notices when the sink ends
    said: list[str] = []
    for raw in source.stderr:
        said.append(raw.decode(errors="replace").strip())
        stages = sum(line.startswith("I: ") for line in said)
        tell(f"packages: {said[-1].removeprefix('I: ')}"[:120], min(stages, _STAGES), _STAGES)
    source.stderr.close()
    _, error = sink.communicate()
    if source.wait() != 0:
        docker.attempt("image", "rm", f"{tag}-part")  # a stream that ended early may have been imported as it was
        raise MachinesError(
            "local/packages", "mmdebstrap could not install the node's packages", detail="\n".join(said[-15:]),
            hint="see whether this machine reaches a Debian mirror: apt-get update",
        )  # fmt: skip
    if sink.returncode != 0:
        raise failure(command, error.decode(errors="replace"))
    docker.call("tag", f"{tag}-part", tag)
    docker.attempt("image", "rm", f"{tag}-part")
