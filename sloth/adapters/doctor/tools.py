"""Checks of the programs that local nodes and builds from source need."""

from __future__ import annotations

import getpass
import os
import re

from sloth.adapters.doctor.finding import Context, Finding

_REGISTRY, _UPSTREAM = "registry-1.docker.io", "dl.k8s.io"
_GO = (1, 21)  # from this version on, Go fetches by itself the exact toolchain that a module asks for


def docker_cli(context: Context) -> Finding:
    """The `docker` command."""
    path = context.which("docker")
    return Finding(
        id="docker-cli", title="docker command", ok=bool(path), detail=path or "not in PATH",
        fix="install the package docker.io", hint=_install_docker(context), packages=("docker.io",), engine=True,
    )  # fmt: skip


def docker_engine(context: Context) -> Finding:
    """The engine runs. One that refuses this user runs too: that is the next check's matter."""
    status, text = _engine(context)
    ok = status == 0 or _refused(text)
    start = "systemctl start docker" if context.systemd else "dockerd"
    # A client alone is common: a CI image, or one that was meant for another machine's engine.
    missing = context.linux and not context.which("dockerd") and "DOCKER_HOST" not in os.environ
    return Finding(
        id="docker-engine", title="Docker engine runs", ok=ok, detail=text.splitlines()[-1] if text else "",
        fix=f"{'install (docker.io) and ' if missing else ''}start the Docker engine",
        hint=(_install_docker(context) if missing else start) if context.linux else "start Docker Desktop",
        packages=("docker.io",) if missing else (), engine=True,
    )  # fmt: skip


def docker_socket(context: Context) -> Finding:
    """The user may use the engine."""
    _, text = _engine(context)
    refused = _refused(text)
    user = getpass.getuser() if refused else ""
    return Finding(
        id="docker-socket", title="this user may use the Docker engine", ok=not refused,
        detail=text.splitlines()[-1] if refused else "", fix=f"add user {user} to the group docker (log in again afterwards)",
        hint=f"sudo usermod -aG docker {user}, then log in again", commands=(("usermod", "-aG", "docker", user),),
    )  # fmt: skip


def base_image(context: Context) -> Finding:
    """The node image begins with Debian: pulled from a registry, or put together from packages."""
    tool = context.which("mmdebstrap")
    ok = bool(tool) or context.reaches(_REGISTRY)
    more = () if context.uid == 0 else ("uidmap",)  # mmdebstrap without root works in a user namespace
    return Finding(
        id="base-image", title="a registry or mmdebstrap is there", ok=ok, detail=tool or (_REGISTRY if ok else "neither"),
        fix="install the package mmdebstrap", hint=f"let this machine reach {_REGISTRY}",
        packages=("mmdebstrap", "debian-archive-keyring", *more),
    )  # fmt: skip


def go(context: Context) -> Finding:
    """Go builds Kubernetes where its own release address cannot be reached."""
    found = _go_version(context.ask("go", "env", "GOVERSION")[1]) if context.which("go") else None
    new_enough = found is not None and found >= _GO
    ok = new_enough or context.reaches(_UPSTREAM)
    offered = _go_version(context.ask("apt-cache", "policy", "golang-go")[1]) if not ok and context.debian else None
    can = offered is not None and offered >= _GO
    return Finding(
        id="go", title=f"{_UPSTREAM} or Go is there", ok=ok, detail=_go_detail(found, ok), required=False,
        fix="install the package golang-go" if can else "", packages=("golang-go",) if can else (),
        hint="install Go 1.21 or newer (https://go.dev/doc/install), or set spec.artifacts.mirror",
    )  # fmt: skip


def _engine(context: Context) -> tuple[int, str]:
    return context.ask("docker", "version", "--format", "{{.Server.Version}}")


def _refused(text: str) -> bool:
    return "permission denied" in text.lower()


def _install_docker(context: Context) -> str:
    return "apt-get install docker.io" if context.debian else "install Docker: https://docs.docker.com/get-started/get-docker/"


def _go_version(text: str) -> tuple[int, int] | None:
    match = re.search(r"go(\d+)\.(\d+)", text) or re.search(r"Candidate: (?:\d+:)?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _go_detail(found: tuple[int, int] | None, ok: bool) -> str:
    if found:
        return f"Go {found[0]}.{found[1]}"
    return _UPSTREAM if ok else "neither"
