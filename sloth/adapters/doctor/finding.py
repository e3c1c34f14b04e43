"""What doctor found, and what it may look at."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sloth.config.assemble import DEFAULT_PROVIDER

Say = Callable[[str], None]
Work = Callable[[Say], object]  # says how it gets on; raises MachinesError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check. `fix` says in words what `--fix` would do ("" = nothing can be done for the user)."""

    id: str
    title: str
    ok: bool
    detail: str = ""
    fix: str = ""
    hint: str = ""  # what to type or do by hand
    required: bool = True  # false: worse without, but it works
    packages: tuple[str, ...] = ()  # Debian packages that the fix installs
    commands: tuple[tuple[str, ...], ...] = ()  # commands of the fix, run as root
    engine: bool = False  # the fix starts the Docker engine
    work: Work | None = None  # the fix is sloth's own work, as `fix` says

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        names = ("id", "title", "ok", "required", "detail", "fix", "hint")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class Context:
    """The machine as checks see it. `root` is another directory in tests."""

    providers: tuple[str, ...]
    data_dir: Path
    root: Path = Path("/")
    platform: str = sys.platform
    uid: int = field(default_factory=os.geteuid)

    @property
    def linux(self) -> bool:
        """Whether nodes share this kernel; elsewhere Docker runs them in its own virtual machine."""
        return self.platform == "linux"

    @property
    def local(self) -> bool:
        """Whether any node is a container on this machine."""
        return DEFAULT_PROVIDER in self.providers

    def path(self, name: str) -> Path:
        """A file of the system (`proc/meminfo`)."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        """Text of a system file, "" if it cannot be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def which(self, name: str) -> str:
        """Path of a command, "" if there is none. The places where only root has its commands are searched too."""
        places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
        return shutil.which(name, path=places) or ""

    def ask(self, *command: str, timeout: float = 15.0) -> tuple[int, str]:
        """Exit status and output (both streams) of a command that only reads; 127 if there is none, 124 after `timeout` s."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
        except OSError as error:
            return 127, str(error)
        except subprocess.TimeoutExpired:
            return 124, f"no answer within {timeout:.0f} s"
        return done.returncode, (done.stdout + done.stderr).strip()

    def reaches(self, host: str, port: int = 443, timeout: float = 3.0) -> bool:
        """Whether a TCP connection to this address can be made."""
        try:
            socket.create_connection((host, port), timeout).close()
        except OSError:
            return False
        return True

    @property
    def debian(self) -> bool:
        """Whether this is Debian, Ubuntu or a relative, where packages can be installed by apt."""
        lines = dict(line.split("=", 1) for line in self.read("etc/os-release").splitlines() if "=" in line)
        words = f"{lines.get('ID', '')} {lines.get('ID_LIKE', '')}".replace('"', "").split()
        return self.linux and bool({"debian", "ubuntu"} & set(words))

    @property
    def systemd(self) -> bool:
        """Whether systemd is the first process here (the test that sd_booted(3) documents)."""
        return self.path("run/systemd/system").is_dir()
