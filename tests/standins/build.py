"""Build the stand-ins of K3s and RKE2: executables, air-gap image archives and RKE2's tarball, as upstream publishes them.

    python -m tests.standins.build k3s v1.36.3+k3s1

What is made is kept in the cache folder under a digest of all that went in. Kubernetes and etcd are compiled from the same
modules as sloth's own artifacts, so that little is left to do where `sloth mirror create` ran; the rest is taken from the mirror.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sloth import registry
from sloth.adapters.paths import cache_dir

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "distributions" / "kubeadm" / "source"
DEFLATE_LEVEL = 1  # the programs are unpacked on each node: speed counts, size hardly
# Names under which the real ones ship the same two images (docs.k3s.io/installation/airgap, rancher/rke2 scripts/build-images).
IMAGES = {
    "k3s": {"pause": "docker.io/rancher/mirrored-pause:3.6", "coredns": "docker.io/rancher/mirrored-coredns-coredns:{tag}"},
    "rke2": {"pause": "docker.io/rancher/mirrored-pause:3.6", "coredns": "docker.io/rancher/hardened-coredns:{tag}"},
}


@dataclass(frozen=True)
class StandIn:
    """What a build gave."""

    program: Path  # `k3s` or `rke2`
    images: Path  # archive for DATA/agent/images
    tarball: Path | None  # RKE2 only


def kubernetes(version: str) -> str:
    """`v1.36.3` of `v1.36.3+k3s1`."""
    return version.partition("+")[0]


def build(distro: str, version: str, arch: str = "amd64") -> StandIn:
    """Build, or take from the cache. `version` is as upstream writes it: `v1.36.3+k3s1`, `v1.36.3+rke2r1`."""
    folder = cache_dir() / "standins" / f"{distro}-{version}-{_digest(distro, version)[:16]}"
    tarball = folder / f"rke2.linux-{arch}.tar.gz" if distro == "rke2" else None
    done = StandIn(folder / distro, folder / _images_name(distro, arch), tarball)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may want it at the same time
        if not (folder / ".complete").exists():
            _make(distro, version, folder, done)
            (folder / ".complete").touch()
    return done


def _make(distro: str, version: str, folder: Path, done: StandIn) -> None:
    tag = _coredns_tag()
    _link(distro, version, tag, done.program)
    bundle = folder / "work" / "bundle.zip"
    bundle.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED, compresslevel=DEFLATE_LEVEL) as archive:
        for name, path in _programs(version, folder / "work"):
            archive.write(path, f"bin/{name}")
    with done.program.open("ab") as sink, bundle.open("rb") as source:
        shutil.copyfileobj(source, sink)
    done.program.chmod(0o755)
    plain = folder / "work" / "images.tar"
    merge_images(plain, {_mirror(name): ref.format(tag=tag) for name, ref in IMAGES[distro].items()})
    zstd(plain, done.images)
    if done.tarball:
        _tarball(done.tarball, done.program)
    shutil.rmtree(folder / "work", ignore_errors=True)


def _images_name(distro: str, arch: str) -> str:
    return f"k3s-airgap-images-{arch}.tar.zst" if distro == "k3s" else f"rke2-images.linux-{arch}.tar.zst"


def _digest(distro: str, version: str) -> str:
    parts = [distro, version, needs_folder(version)]
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and (path.name == "build.py" or path.suffix not in (".py", ".pyc", ".md")):
            parts += [str(path.relative_to(HERE)), hashlib.sha256(path.read_bytes()).hexdigest()]
    for name in ("containerd", "containerd-shim-runc-v2", "ctr", "coredns", "pause"):
        found = _mirror(name)
        parts += [str(found), str(found.stat().st_size)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def needs_folder(version: str) -> str:
    """The module folder that gives this Kubernetes."""
    plugin = registry.distribution("kubeadm")
    minor = kubernetes(version).rpartition(".")[0]
    same = next(known for known in plugin.versions() if known.startswith(f"{minor}."))  # its patch is stamped on, not compiled in
    return next(need.source for need in plugin.needs(same) if need.name == "kubelet")


def _mirror(name: str) -> Path:
    """A file of sloth's mirror, newest version first. Raises StopIteration where `sloth mirror create` has not run."""
    folder = cache_dir() / "mirror" / name
    versions = sorted(folder.iterdir(), key=lambda path: [int(part) for part in path.name.strip("v").split(".")], reverse=True)
    return next(path for path in (versions[0] / "linux-amd64").iterdir() if path.is_file())


def _coredns_tag() -> str:
    return _mirror("coredns").parents[1].name.removeprefix("v")


def _go(folder: Path, target: Path, ldflags: str, *words: str) -> None:
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "auto"}
    command = ["go", "build", "-trimpath", "-ldflags", f"-s -w {ldflags}", *words, "-o", str(target), "."]
    subprocess.run(command, cwd=folder, env=env, check=True, timeout=3600)


def _link(distro: str, version: str, tag: str, target: Path) -> None:
    values = {"distroName": distro, "version": version, "corednsTag": tag}
    _go(HERE, target, " ".join(f"-X main.{key}={value}" for key, value in values.items()))


def compile_etcd(target: Path) -> None:
    """etcd, etcdctl and etcdutl as one program."""
    _go(HERE / "components" / "etcd", target, "")


def _programs(version: str, work: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of everything that goes into the executable."""
    work.mkdir(parents=True, exist_ok=True)
    kube = work / "module"
    shutil.copytree(SOURCE / needs_folder(version), kube, dirs_exist_ok=True)
    shutil.copy(HERE / "components" / "_kube" / "main.go", kube)
    major, minor, _ = kubernetes(version).removeprefix("v").split(".")
    stamp = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitCommit": "source", "gitTreeState": "clean"}
    flags = " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamp.items())
    _go(kube, work / "kube", f"{flags} -X k8s.io/component-base/version.buildDate=1970-01-01T00:00:00Z", "-mod=mod")
    yield "kube", work / "kube"
    compile_etcd(work / "etcd")
    yield "etcd", work / "etcd"
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        yield name, _mirror(name)


def merge_images(target: Path, images: dict[Path, str]) -> None:
    """One archive (OCI image layout) of several, each under another name than it had."""
    manifests: list[dict[str, object]] = []
    seen: set[str] = set()
    with tarfile.open(target, "w") as sink:
        for path, ref in images.items():
            with tarfile.open(path) as source:
                for member in source:
                    content = source.extractfile(member)
                    if content is None or member.name in seen:
                        continue
                    if member.name == "index.json":
                        for entry in json.loads(content.read())["manifests"]:
                            names = {"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref.rpartition(":")[2]}
                            manifests.append({**entry, "annotations": names})
                    elif member.name.startswith("blobs/") or member.name == "oci-layout":
                        seen.add(member.name)
                        sink.addfile(member, content)
        _add(sink, "index.json", json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())


def zstd(source: Path, target: Path) -> None:
    """A valid Zstandard frame that compresses nothing: raw blocks only (RFC 8878, sections 3.1.1.1 and 3.1.1.2)."""
    size = source.stat().st_size
    window = 0x40  # a window of 256 KiB
    with source.open("rb") as stream, target.open("wb") as sink:
        sink.write(b"\x28\xb5\x2f\xfd" + bytes([0xC0, window]) + size.to_bytes(8, "little"))
        left = size
        while left:
            block = stream.read(min(left, 1 << 17))
            left -= len(block)
            sink.write((len(block) << 3 | (not left)).to_bytes(3, "little") + block)


def _add(sink: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    sink.addfile(entry, io.BytesIO(data))


def _tarball(target: Path, program: Path) -> None:
    """RKE2's tarball, whose places are below /usr/local (docs.rke2.io/install/methods, "Tarball Structure / Contents")."""
    with tarfile.open(target, "w:gz", compresslevel=1) as sink:
        sink.add(program, "bin/rke2")
        for script in sorted((HERE / "rke2" / "bin").iterdir()):
            _add(sink, f"bin/{script.name}", script.read_bytes(), 0o755)
        for unit in sorted((HERE / "rke2" / "systemd").iterdir()):
            _add(sink, f"lib/systemd/system/{unit.name}", unit.read_bytes())
        for text in sorted((HERE / "rke2" / "share").iterdir()):
            _add(sink, f"share/rke2/{text.name}", text.read_bytes())


if __name__ == "__main__":
    print(build(sys.argv[1], sys.argv[2]))
