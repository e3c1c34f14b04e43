"""Checks of the machine itself: Python, directories, room, clock."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

from sloth.adapters.doctor.finding import Context, Finding

_DISK = 12  # GiB: packages and node image 2, artifacts and their build 6, nodes and room to breathe
_MEMORY = 2  # GiB: three idle nodes with Kubernetes take 1.5
_GIB = 1 << 30


def python(context: Context) -> Finding:
    """Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        id="python", title="Python 3.11 or newer", ok=sys.version_info >= (3, 11), detail=version,
        hint="install Python 3.11 or newer and sloth for it: pipx install --python python3.11 sloth-kubernetes",
    )  # fmt: skip


def data_dir(context: Context) -> Finding:
    """Only the user may enter the data directory, and can write there."""
    path, title = context.data_dir, "data directory is private"
    if not path.exists():
        return Finding(id="data-dir", title=title, ok=True, detail=f"{path} is made when it is needed")
    info = path.stat()
    mode = stat.S_IMODE(info.st_mode)
    if info.st_uid != context.uid:
        return Finding(
            id="data-dir", title=title, ok=False, detail=f"{path} belongs to user {info.st_uid}, you are {context.uid}",
            hint="use another one: export SLOTH_DATA_DIR=DIRECTORY",
        )  # fmt: skip
    private = mode & 0o077 == 0 and mode & 0o700 == 0o700
    return Finding(
        id="data-dir", title=title, ok=private, detail=f"{path} has mode {mode:04o}", fix=f"give {path} mode 0700",
        hint=f"chmod 0700 {path}", commands=(("chmod", "0700", str(path)),),
    )  # fmt: skip


def disk(context: Context) -> Finding:
    """There is room for images and records."""
    places = [_existing(context.data_dir)]
    docker = context.path("var/lib/docker")
    if context.local and context.linux:
        places.append(_existing(docker))
    free, where = min((shutil.disk_usage(place).free / _GIB, place) for place in places)
    need = _DISK if context.local else 1
    return Finding(
        id="disk", title=f"{need} GiB of disk are free", ok=free >= need, detail=f"{free:.1f} GiB on {where}",
        hint="make room, for example: docker system prune" if context.local else f"make room on {where}",
    )  # fmt: skip


def memory(context: Context) -> Finding:
    """There is memory for three nodes."""
    lines = (line.split() for line in context.read("proc/meminfo").splitlines())
    available = next((int(words[1]) / (1 << 20) for words in lines if words[:1] == ["MemAvailable:"]), None)
    known = available is not None
    return Finding(
        id="memory", title=f"{_MEMORY} GiB of memory are free", ok=not known or available >= _MEMORY,  # type: ignore[operator]
        detail=f"{available:.1f} GiB" if known else "cannot be told here", hint="end other programs, or use fewer nodes",
        required=False,
    )  # fmt: skip


def clock(context: Context) -> Finding:
    """Certificates and etcd want a right clock."""
    status, text = context.ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    known = status == 0 and text in ("yes", "no")
    return Finding(
        id="clock", title="clock is synchronized", ok=not known or text == "yes",
        detail=f"NTPSynchronized={text}" if known else "cannot be told here", fix="switch time synchronization on",
        hint="timedatectl set-ntp true", commands=(("timedatectl", "set-ntp", "true"),), required=False,
    )  # fmt: skip


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
