"""A layer with the programs of a few Debian packages and all they need, without root and without a container.

apt resolves and verifies (its own signatures, in private folders, against an empty package database); dpkg-deb unpacks. So it
needs `apt-get` and `dpkg-deb`, and the machine's own package sources. Maintainer scripts do not run.
"""

from __future__ import annotations

import logging
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from sloth.errors import MachinesError

log = logging.getLogger(__name__)
# Documentation, translations and character set tables: nothing that a program needs to run as `C`.
_LEFT_OUT = re.compile(r"usr/share/(doc|man|locale|lintian|bug|info|bash-completion)(/|$)|.*/gconv(/|$)|usr/lib/systemd(/|$)")
_MERGED = re.compile(r"^(bin|sbin|lib|lib64)(?=/|$)")  # Debian's packages still name the folders that are links into /usr
_TOP = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
# What update-alternatives makes when Debian's iptables is installed.
_ALTERNATIVES = {
    f"usr/sbin/{family}tables{verb}": "xtables-nft-multi" for family in ("ip", "ip6") for verb in ("", "-save", "-restore")
}
_TIMEOUT = 300.0  # seconds, for fetching lists and packages


def write_layer(target: Path, packages: Sequence[str], *, arch: str = "amd64") -> None:
    """Write an uncompressed layer tar of these packages and what they depend on. Raises MachinesError."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".debian-") as folder:
        archives = _download(Path(folder), packages, arch)
        found = [_unpack(archive, Path(folder)) for archive in archives]
        _merge(target, found)


def _download(folder: Path, packages: Sequence[str], arch: str) -> list[Path]:
    for each in ("state/lists/partial", "cache/archives/partial"):
        (folder / each).mkdir(parents=True)
    (folder / "state/status").touch()
    settings = {
        "Dir::State": str(folder / "state"),
        "Dir::State::status": str(folder / "state/status"),
        "Dir::Cache": str(folder / "cache"),
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    _run(["apt-get", *options, "update"])
    _run(["apt-get", *options, "--yes", "--download-only", "install", *packages])
    return sorted((folder / "cache/archives").glob("*.deb"))


def _unpack(archive: Path, folder: Path) -> Path:
    target = folder / f"{archive.stem}.tar"
    with target.open("wb") as stream:
        _run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=stream.fileno())
    return target


def _run(command: Sequence[str], stdout: int = subprocess.DEVNULL) -> None:
    log.debug("run %s", " ".join(command))
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, timeout=_TIMEOUT)
    except FileNotFoundError:
        raise MachinesError(
            "artifacts/apt-missing",
            f"the image of kube-proxy needs programs of Debian packages, and there is no {command[0]} on this machine",
            hint="set spec.artifacts.mirror to a mirror that was made on Debian or Ubuntu",
        ) from None
    except subprocess.TimeoutExpired:
        raise MachinesError(
            "artifacts/packages-failed",
            f"{command[0]} did not end within {_TIMEOUT:.0f} s",
            hint="apt-get update says whether this machine reaches its package sources",
        ) from None
    except subprocess.CalledProcessError as error:
        raise MachinesError(
            "artifacts/packages-failed",
            f"{command[0]} failed with exit code {error.returncode}",
            detail=error.stderr.decode(errors="replace")[-2000:],
            hint="apt-get update says whether this machine reaches its package sources",
        ) from None


def _merge(target: Path, sources: Sequence[Path]) -> None:
    """One tar of them all, in order of names, so that the same packages give the same bytes."""
    entries: dict[str, tuple[tarfile.TarInfo, tarfile.TarFile | None]] = {}
    with ExitStack() as stack:
        for source in sources:
            tar = stack.enter_context(tarfile.open(source))
            named = ((_place(entry.name), entry) for entry in tar)
            entries |= {name: (entry, tar) for name, entry in named if name not in {"", "."} and not _LEFT_OUT.match(name)}
        entries |= {name: (_link(destination), None) for name, destination in _TOP.items()}
        usable = {name: to for name, to in _ALTERNATIVES.items() if str(PurePosixPath(name).parent / to) in entries}
        entries |= {name: (_link(to), None) for name, to in usable.items()}
        out = stack.enter_context(tarfile.open(target, "w", format=tarfile.PAX_FORMAT))
        for name, (entry, found_in) in sorted(entries.items()):
            _copy(out, name, entry, found_in)


def _place(name: str) -> str:
    """Where a package's entry belongs: relative, with /bin, /lib and the like below /usr."""
    return _MERGED.sub(r"usr/\1", name.removeprefix("./").strip("/"))


def _link(destination: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo()
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, destination, 0o777
    return entry


def _copy(out: tarfile.TarFile, name: str, entry: tarfile.TarInfo, source: tarfile.TarFile | None) -> None:
    content = source.extractfile(entry) if source and entry.isfile() else None
    fresh = tarfile.TarInfo(name)
    fresh.type, fresh.mode, fresh.size = entry.type, entry.mode, entry.size if content else 0
    fresh.linkname = _place(entry.linkname) if entry.islnk() else entry.linkname
    out.addfile(fresh, content)
