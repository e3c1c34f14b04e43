"""Mirrors for clusters of K3s and RKE2: with the real thing where its path is given, else with the stand-in of tests/standins.

SLOTH_E2E_K3S=/path/to/k3s      its images beside it, under upstream's name (k3s-airgap-images-amd64.tar.zst)
SLOTH_E2E_RKE2=/path/to/rke2    the same (rke2-images.linux-amd64.tar.zst)
SLOTH_E2E_K3S_OLD, SLOTH_E2E_RKE2_OLD   of the minor before, for upgrades
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from sloth import registry
from sloth.adapters.artifacts.entries import dump, entry, load
from sloth.adapters.artifacts.layout import Variant
from sloth.adapters.artifacts.mirror import INDEX
from sloth.adapters.paths import cache_dir
from sloth.model.artifact import Need
from tests.standins.build import StandIn, build


def release(distro: str, *, old: bool = False) -> str:
    """The exact version under test: the real binary's, else the newest (`old`: of the minor before) that the plugin knows."""
    real = os.environ.get(_variable(distro, old))
    if real:
        said = subprocess.run([real, "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"version (v\S+)", said)
        assert found, said
        return found[1]
    versions = registry.distribution(distro).versions()
    minors = list(dict.fromkeys(_minor(each) for each in versions))
    return next(each for each in versions if _minor(each) == minors[1 if old else 0])


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _variable(distro: str, old: bool) -> str:
    return f"SLOTH_E2E_{distro.upper()}{'_OLD' if old else ''}"


def mirror(distro: str, root: Path, *, old: bool = False) -> str:
    """Put everything that nodes of that release need into the mirror at `root`; returns the version."""
    version = release(distro, old=old)
    real = os.environ.get(_variable(distro, old))
    made = StandIn(Path(real), Path(real), None) if real else build(distro, version)
    found = {each.file: each for each in load((root / INDEX).read_text())} if (root / INDEX).exists() else {}
    for need in registry.distribution(distro).needs(version):
        source = _source(need, distro, made, real=bool(real))
        with source.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        artifact = Variant(need=need, origin="upstream").artifact(sha256=digest, size=source.stat().st_size)
        target = root / artifact.file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            _have(source, target)
        found[artifact.file] = entry(artifact)
    (root / INDEX).write_text(dump(found.values()))
    return version


def _have(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _source(need: Need, distro: str, made: StandIn, *, real: bool) -> Path:
    if need.name == distro:
        return made.program
    if need.name == f"{distro}-images":
        return made.program.parent / Path(need.path).name if real else made.images
    if need.name in ("etcd", "etcdctl", "etcdutl"):
        return _etcd()
    return next((cache_dir() / "mirror" / need.name / need.version / "linux-amd64").iterdir())


def _etcd() -> Path:
    """etcd and its tools as one program, by the name that it is called by."""
    import tests.standins.build as standins

    source = standins.HERE / "components" / "etcd"
    content = b"".join((source / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    target = cache_dir() / "standins" / f"etcd-{hashlib.sha256(content).hexdigest()[:16]}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        standins.compile_etcd(target)
    return target
