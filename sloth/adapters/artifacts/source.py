"""Artifacts from Go modules. `go.sum` decides what the sources are; each result is kept under the digest of its whole recipe."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from sloth.adapters.artifacts import debian, oci
from sloth.adapters.artifacts.go_build import Build, run_build
from sloth.adapters.artifacts.layout import ARCH, Variant
from sloth.adapters.artifacts.store import Store, Stored
from sloth.adapters.artifacts.toolchain import Toolchain, find_toolchain
from sloth.contracts.provider import Emit
from sloth.errors import MachinesError
from sloth.model.artifact import Artifact, Need
from sloth.model.event import Event

_REVISION = 1  # raised when this module makes other bytes of the same sources
_MAJOR = re.compile(r"v\d+\Z")


class GoBuilder:
    """Builds needs from the module folders below `sources`, into a store. One toolchain for all of them."""

    def __init__(self, store: Store, sources: Path, emit: Emit, *, arch: str = ARCH) -> None:
        self._store = store
        self._sources = sources
        self._emit = emit
        self._arch = arch

    def build(self, needs: Sequence[Need]) -> list[tuple[Artifact, Stored]]:
        """All of them, in order; only what the store does not have is built. Raises MachinesError."""
        toolchain = find_toolchain([self._folder(need) for need in needs])
        binaries: dict[str, Stored] = {}
        for _, group in groupby(sorted(needs, key=_batch), key=_batch):
            binaries |= self._binaries(list(group), toolchain)
        return [self._finish(need, binaries[need.package], toolchain) for need in needs]

    def recipe(self, need: Need) -> str:
        """Digest of everything that decides the result but the toolchain: module files, own sources, flags, packages."""
        folder = self._folder(need)
        files = sorted(path for path in folder.iterdir() if path.suffix in {".go", ".mod", ".sum"})
        parts = [need.package, need.tags, need.ldflags, *need.packages, self._arch, need.kind, need.path]
        texts = [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in files]
        return _key(_REVISION, parts, texts)

    def _folder(self, need: Need) -> Path:
        folder = self._sources / need.source
        if not need.source or not (folder / "go.mod").is_file():
            raise MachinesError(
                "artifacts/no-recipe",
                f"{need.name} {need.version} cannot be built from source: there is no recipe for it",
                hint="set spec.artifacts.source to upstream, or spec.artifacts.mirror",
            )
        return folder

    def _binaries(self, needs: Sequence[Need], toolchain: Toolchain) -> dict[str, Stored]:
        """The programs of one module and one set of flags: what is missing is built in one go."""
        keys = {need.package: _key(self.recipe(_bare(need)), toolchain.version) for need in needs}
        with self._store.alone(f"build-{_key(sorted(keys.items()))[:16]}"):
            found = {package: self._store.recall(key) for package, key in keys.items()}
            missing = tuple(sorted(package for package, blob in found.items() if blob is None))
            built = self._build(needs[0], missing, keys, toolchain) if missing else {}
        return {**{package: blob for package, blob in found.items() if blob}, **built}

    def _build(self, need: Need, packages: tuple[str, ...], keys: dict[str, str], toolchain: Toolchain) -> dict[str, Stored]:
        version = Variant(need=need, origin="source", arch=self._arch).version
        build = Build(
            title=f"build {need.source} {version}",
            source=self._folder(need),
            packages=packages,
            tags=need.tags,
            ldflags=need.ldflags,
            arch=self._arch,
        )
        seconds = f"seconds-{_key(need.source, packages)[:16]}"
        with self._store.scratch() as folder:
            took = run_build(build, toolchain, folder, self._emit, before=float(self._store.note(seconds) or 0))
            built = {package: self._store.adopt(folder / _program(package)) for package in packages}
        for package, blob in built.items():
            self._store.remember(keys[package], blob)
        self._store.note(seconds, f"{took:.1f}")
        return built

    def _finish(self, need: Need, binary: Stored, toolchain: Toolchain) -> tuple[Artifact, Stored]:
        variant = Variant(need=need, origin="source", arch=self._arch)
        blob = binary if need.kind == "binary" else self._image(variant, binary)
        return variant.artifact(sha256=blob.sha256, size=blob.size, recipe=self.recipe(need)), blob

    def _image(self, variant: Variant, binary: Stored) -> Stored:
        need = variant.need
        base = [self._layer(need.packages)] if need.packages else []
        key = _key(_REVISION, variant.ref, need.path, self._arch, binary.sha256, [layer.sha256 for layer in base])
        with self._store.alone(f"image-{key[:16]}"):
            return self._store.recall(key) or self._pack(variant, key, binary, [layer.path for layer in base])

    def _pack(self, variant: Variant, key: str, binary: Stored, base: Sequence[Path]) -> Stored:
        self._emit(Event(kind="machine", title=f"pack {variant.ref}"))
        path = variant.need.path
        with self._store.scratch() as folder:
            archive = folder / "image.tar"
            oci.write_image(archive, variant.ref, {path: binary.path}, entrypoint=[path], base=base, arch=self._arch)
            blob = self._store.adopt(archive)
        self._store.remember(key, blob)
        return blob

    def _layer(self, packages: Sequence[str]) -> Stored:
        """The layer of these Debian packages. Kept until the store is cleared, so that the image stays the same."""
        key = _key(_REVISION, "debian", list(packages), self._arch)
        with self._store.alone(f"layer-{key[:16]}"):
            known = self._store.recall(key)
            if known:
                return known
            self._emit(Event(kind="machine", title=f"unpack Debian's {', '.join(packages)}"))
            with self._store.scratch() as folder:
                target = folder / "layer.tar"
                debian.write_layer(target, packages, arch=self._arch)
                blob = self._store.adopt(target)
            self._store.remember(key, blob)
            return blob


def _batch(need: Need) -> tuple[str, str, str]:
    return need.source, need.tags, need.ldflags


def _bare(need: Need) -> Need:
    """The need of the program alone: an image and a binary of one package are built once."""
    return Need(
        name=need.name, version=need.version, kind="binary", source=need.source, package=need.package,
        tags=need.tags, ldflags=need.ldflags,
    )  # fmt: skip


def _program(package: str) -> str:
    """What `go build -o FOLDER/` calls the program of a package."""
    names = [name for name in package.split("/") if not _MAJOR.match(name)]
    return names[-1]


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
