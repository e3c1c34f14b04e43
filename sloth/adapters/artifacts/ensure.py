"""The one way to have everything that nodes need: whichever source it comes from, it ends in the local mirror and in the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sloth.adapters.artifacts.from_mirror import ForeignMirror
from sloth.adapters.artifacts.layout import ARCH, Origin, Variant
from sloth.adapters.artifacts.lock import Lock, pinned_origin, read_lock
from sloth.adapters.artifacts.mirror import Mirror
from sloth.adapters.artifacts.source import GoBuilder
from sloth.adapters.artifacts.store import Store, Stored
from sloth.adapters.artifacts.toolchain import find_toolchain
from sloth.adapters.artifacts.upstream import Upstream
from sloth.contracts.provider import Emit
from sloth.errors import ConfigError, MachinesError
from sloth.model.artifact import Artifact, Need
from sloth.model.event import Event

Source = Literal["auto", "upstream", "mirror", "build"]
Found = list[tuple[Artifact, Stored]]
_ORIGIN: dict[str, Origin] = {"upstream": "upstream", "build": "source"}


def ensure(
    needs: Sequence[Need],
    *,
    source: Source,
    cache: Path,
    source_dirs: Path,
    emit: Emit,
    mirror: str = "",
    lock_path: Path | None = None,
    directory: Path | None = None,
    arch: str = ARCH,
    beside: Sequence[Need] = (),
) -> tuple[Artifact, ...]:
    """Make the mirror in `directory` (default: `mirror` in `cache`) hold all needs, and pin them in the lock.

    What the lock pins of the needs `beside` (another version of Kubernetes, that some nodes run meanwhile) stays pinned.
    `mirror` is a URL or folder to take them from; `source_dirs` holds the distribution's Go module folders. With source
    `auto`: the given mirror, else what is here already, else upstream where it can be reached, else a build. Raises
    ConfigError, MachinesError or StateError.
    """
    work = _Work(
        needs=tuple(needs),
        lock=read_lock(lock_path),
        store=Store(cache),
        mirror=Mirror(directory or cache / "mirror"),
        sources=source_dirs,
        emit=emit,
        arch=arch,
    )
    found = work.get(source, mirror)
    artifacts = tuple(work.lock.check(artifact) for artifact, _ in found)
    work.mirror.publish(found)
    origins: tuple[Origin, ...] = ("upstream", "source")
    work.lock.write(artifacts, [Variant(need=need, origin=origin, arch=arch) for need in beside for origin in origins])
    return artifacts


def present(
    needs: Sequence[Need], *, cache: Path, source_dirs: Path, lock_path: Path | None = None, arch: str = ARCH
) -> tuple[Artifact, ...] | None:
    """What `ensure` would answer without fetching or building anything; None where something is missing."""
    work = _Work(
        needs=tuple(needs), lock=read_lock(lock_path), store=Store(cache), mirror=Mirror(cache / "mirror"),
        sources=source_dirs, emit=lambda event: None, arch=arch,
    )  # fmt: skip
    found = work.offline()
    return tuple(artifact for artifact, _ in found) if found is not None else None


@dataclass(frozen=True, kw_only=True)
class _Work:
    needs: tuple[Need, ...]
    lock: Lock
    store: Store
    mirror: Mirror
    sources: Path
    emit: Emit
    arch: str

    def get(self, source: Source, mirror: str) -> Found:
        if source == "mirror" and not mirror:
            raise ConfigError(
                "artifacts/no-mirror",
                "spec.artifacts.source is mirror, but spec.artifacts.mirror is not set",
                hint="set spec.artifacts.mirror to a URL or a folder",
            )
        if source == "mirror" or (source == "auto" and mirror):
            known = self._pinned()
            return known or ForeignMirror(mirror, self.store, self.emit, arch=self.arch).fetch(self.needs, self.lock)
        origins: tuple[Origin, ...] = (_ORIGIN[source],) if source in _ORIGIN else self._preferred()
        for origin in origins:
            kept = self._kept(origin)
            if kept is not None:
                return kept
        return self._fetch(origins[0] if len(origins) == 1 or pinned_origin(self.lock, self._all()) else self._reached())

    def offline(self) -> Found | None:
        """What is here already, or None."""
        for origin in self._preferred():
            if (kept := self._kept(origin)) is not None:
                return kept
        return self._pinned()

    def _variants(self, origin: Origin) -> list[Variant]:
        return [Variant(need=need, origin=origin, arch=self.arch) for need in self.needs]

    def _all(self) -> list[Variant]:
        return self._variants("upstream") + self._variants("source")

    def _preferred(self) -> tuple[Origin, ...]:
        """Origins in the order in which they are tried: what the lock was made from comes first."""
        return ("source", "upstream") if pinned_origin(self.lock, self._all()) == "source" else ("upstream", "source")

    def _pinned(self) -> Found | None:
        """Everything as the lock pins it, if the store has it: then nobody has to be asked."""
        for origin in self._preferred():
            if all(self.lock.pin(variant) for variant in self._variants(origin)):
                return self._kept(origin)
        return None

    def _kept(self, origin: Origin) -> Found | None:
        """Everything as it is in the local mirror, or None if anything is missing, damaged or out of date."""
        listed = {(each.file, each.origin): each for each in self.mirror.entries()}
        builder = GoBuilder(self.store, self.sources, self.emit, arch=self.arch)
        found: Found = []
        for variant in self._variants(origin):
            pin = self.lock.pin(variant)
            entry = pin if pin and pin.origin == origin else listed.get((variant.file, origin))
            if entry is None:
                return None
            if pin is None and origin == "source" and entry.recipe != builder.recipe(variant.need):
                return None
            blob = self.store.get(entry.sha256)
            if blob is None:
                return None
            found.append((variant.artifact(sha256=blob.sha256, size=blob.size, recipe=entry.recipe), blob))
        return found

    def _fetch(self, origin: Origin) -> Found:
        if origin == "upstream":
            return Upstream(self.store, self.emit, arch=self.arch).fetch(self.needs)
        return GoBuilder(self.store, self.sources, self.emit, arch=self.arch).build(self.needs)

    def _reached(self) -> Origin:
        """The origin that works here. Raises MachinesError if none does."""
        if Upstream(self.store, self.emit, arch=self.arch).reachable(self.needs):
            return "upstream"
        try:
            go = find_toolchain([self.sources / need.source for need in self.needs])
        except MachinesError as error:
            raise MachinesError(
                "artifacts/no-source",
                "the projects' release addresses cannot be reached from here, and building from source is not possible either",
                detail=f"{error.summary}\n{error.detail}".strip(),
                hint="set spec.artifacts.mirror to a mirror, or install Go from https://go.dev/dl",
            ) from None
        text = f"the projects' release addresses cannot be reached: building from source with {go.version} (minutes, once)"
        self.emit(Event(kind="note", title=text))
        return "source"
