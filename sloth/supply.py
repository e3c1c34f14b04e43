"""Which exact version a cluster gets, and where its nodes get their binaries and images from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sloth import registry
from sloth.contracts.distribution import Distribution
from sloth.contracts.provider import Emit
from sloth.errors import ConfigError
from sloth.model.artifact import Artifact, Delivery
from sloth.model.event import Event
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec

if TYPE_CHECKING:
    from sloth.config.load import Loaded

LOCK = "sloth.lock"
NEEDING = ("up", "mirror")  # verbs that fetch or build what is missing; others take what is known


def version_of(spec: ClusterSpec, record: Record | None = None) -> str:
    """The version that the cluster runs if the spec allows it, else the newest that the spec allows. Raises ConfigError."""
    wanted = "v" + spec.kubernetes.version.removeprefix("v")
    known = registry.distribution(spec.kubernetes.distribution).versions()
    matching = [version for version in known if version == wanted or version.startswith(f"{wanted}.")]
    if record and record.kubernetes_version in matching:
        return record.kubernetes_version
    if not matching:
        raise ConfigError(
            "config/unknown-version",
            f"{spec.kubernetes.distribution} {spec.kubernetes.version} is not known",
            detail=f"known: {', '.join(known)}",
            hint=f"set spec.kubernetes.version to {known[0].removeprefix('v').rpartition('.')[0]}",
        )
    return matching[0]


def supply(loaded: Loaded, verb: str, emit: Emit) -> Delivery:
    """What nodes need, complete in the local mirror after `up`; for other verbs what is known of it."""
    if verb not in ("up", "plan", "down"):
        return Delivery()
    spec = loaded.spec
    artifacts = fetch(loaded, emit) if verb in NEEDING else known(loaded)
    mirror = spec.artifacts.mirror
    base = mirror if mirror.startswith(("http://", "https://")) else ""
    return Delivery(artifacts=artifacts, base=base, store=str(mirror_dir()))


def mirror_dir() -> Path:
    """The local mirror."""
    from sloth.adapters.paths import cache_dir

    return cache_dir() / "mirror"


def lock_path(loaded: Loaded) -> Path | None:
    """sloth.lock, beside the spec; None where the spec did not come from a file."""
    spec = Path(loaded.files[0])
    return spec.resolve().parent / LOCK if spec.is_file() else None


def fetch(loaded: Loaded, emit: Emit, *, from_source: bool = False, directory: Path | None = None) -> tuple[Artifact, ...]:
    """Make the mirror complete and the lock written. Raises ConfigError, MachinesError or StateError."""
    from sloth.adapters.artifacts.ensure import ensure
    from sloth.adapters.paths import cache_dir

    spec = loaded.spec
    distribution = registry.distribution(spec.kubernetes.distribution)
    emit(Event(kind="phase-started", phase="Artifacts", title="Artifacts"))
    ok = False
    try:
        artifacts = ensure(
            distribution.needs(version_of(spec)),
            source="build" if from_source else spec.artifacts.source,
            mirror=spec.artifacts.mirror,
            cache=cache_dir(),
            lock_path=lock_path(loaded),
            source_dirs=source_dirs(distribution),
            emit=emit,
            directory=directory,
        )
        ok = True
    finally:
        emit(Event(kind="phase-finished", phase="Artifacts", title="Artifacts", ok=ok))
    return artifacts


def known(loaded: Loaded) -> tuple[Artifact, ...]:
    """What the local mirror has already; where it lacks something, the needs themselves, without digests."""
    from sloth.adapters.artifacts.ensure import present
    from sloth.adapters.paths import cache_dir

    spec = loaded.spec
    distribution = registry.distribution(spec.kubernetes.distribution)
    needs = distribution.needs(version_of(spec))
    found = present(needs, cache=cache_dir(), lock_path=lock_path(loaded), source_dirs=source_dirs(distribution))
    if found is not None:
        return found
    blank = [Artifact(name=n.name, version=n.version, kind=n.kind, sha256="", size=0, file="", roles=n.roles) for n in needs]
    return tuple(
        replace(artifact, path=need.path, ref=need.ref.replace("{version}", need.version))
        for artifact, need in zip(blank, needs, strict=True)
    )


def source_dirs(distribution: Distribution) -> Path:
    """The folder with the distribution's Go module files."""
    module = sys.modules[type(distribution).__module__]
    return Path(str(module.__file__)).resolve().parent / "source"


def pinned_images(loaded: Loaded, cloud: str) -> Mapping[str, str]:
    """Ids of a cloud's images by name, as sloth.lock pins them. Raises StateError."""
    from sloth.adapters.artifacts.lock import read_lock

    return read_lock(lock_path(loaded)).images.get(cloud, {})


def pin_images(loaded: Loaded, record: Record) -> None:
    """Pin the images of the cluster's machines, so that further machines are made of the same. Raises StateError."""
    from sloth.adapters.artifacts.lock import read_lock

    for cloud in record.providers:
        placements = record.placements(cloud).values()
        found = {str(place["image_name"]): str(place["image"]) for place in placements if place.get("image_name")}
        read_lock(lock_path(loaded)).pin_images(cloud, found)
