"""Which exact version a cluster gets, and where its nodes get their binaries and images from."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
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
from sloth.upgrade.versions import allows

if TYPE_CHECKING:
    from sloth.config.load import Loaded

LOCK = "sloth.lock"
NEEDING = ("up", "mirror", "restore")  # verbs that fetch or build what is missing; others take what is known


def version_of(spec: ClusterSpec, record: Record | None = None) -> str:
    """The version that the cluster runs; before it has a member, the newest that the spec allows. Raises ConfigError."""
    kept = record.kubernetes_version if record else ""
    if record and kept and (record.founded or allows(spec.kubernetes.version, kept)):
        return kept
    return exact(spec, spec.kubernetes.version)


def exact(spec: ClusterSpec, asked: str) -> str:
    """The newest known version that a minor (`1.36`) or an exact version allows. Raises ConfigError."""
    known = registry.distribution(spec.kubernetes.distribution).versions()
    matching = [version for version in known if allows(asked, version)]
    if not matching:
        raise ConfigError(
            "config/unknown-version",
            f"{spec.kubernetes.distribution} {asked} is not known",
            detail=f"known: {', '.join(known)}",
            hint=f"set spec.kubernetes.version to {known[0].removeprefix('v').rpartition('.')[0]}",
        )
    return matching[0]


def supply(loaded: Loaded, verb: str, emit: Emit) -> Delivery:
    """What nodes of a cluster that does not exist yet need; empty for verbs that bring nothing to nodes."""
    return next(iter(supplies(loaded, verb, emit).values()), Delivery())


def supplies(loaded: Loaded, verb: str, emit: Emit, record: Record | None = None) -> Mapping[str, Delivery]:
    """What nodes need, by version: of the version that the cluster runs, and of the one that an upgrade under way goes to.

    Complete in the local mirror after `up`; for other verbs what is known of it.
    """
    if verb not in ("up", "plan", "down", "certs", "recover", "restore"):
        return {}
    wanted = [version_of(loaded.spec, record), *([str(record.upgrade["to"])] if record and record.upgrade else [])]
    return {version: deliver(loaded, version, emit, fetching=verb in NEEDING, beside=wanted) for version in wanted}


def deliver(loaded: Loaded, version: str, emit: Emit, *, fetching: bool, beside: Sequence[str] = ()) -> Delivery:
    """What nodes of that exact version need. `beside`: versions whose pins in sloth.lock stay as well. Raises SlothError."""
    spec = loaded.spec
    artifacts = fetch(loaded, emit, version=version, beside=beside) if fetching else known(loaded, version)
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


def fetch(
    loaded: Loaded,
    emit: Emit,
    *,
    version: str = "",
    from_source: bool = False,
    directory: Path | None = None,
    beside: Sequence[str] = (),
) -> tuple[Artifact, ...]:
    """Make the mirror complete and the lock written, for the spec's or a given exact version.

    Raises ConfigError, MachinesError or StateError.
    """
    from sloth.adapters.artifacts.ensure import ensure
    from sloth.adapters.paths import cache_dir

    spec = loaded.spec
    distribution = registry.distribution(spec.kubernetes.distribution)
    emit(Event(kind="phase-started", phase="Artifacts", title="Artifacts"))
    ok = False
    try:
        artifacts = ensure(
            distribution.needs(version or version_of(spec)),
            source="build" if from_source else spec.artifacts.source,
            mirror=spec.artifacts.mirror,
            cache=cache_dir(),
            lock_path=lock_path(loaded),
            source_dirs=source_dirs(distribution),
            emit=emit,
            directory=directory,
            beside=[need for other in beside if other != version for need in distribution.needs(other)],
        )
        ok = True
    finally:
        emit(Event(kind="phase-finished", phase="Artifacts", title="Artifacts", ok=ok))
    return artifacts


def known(loaded: Loaded, version: str = "") -> tuple[Artifact, ...]:
    """What the local mirror has already; where it lacks something, the needs themselves, without digests."""
    from sloth.adapters.artifacts.ensure import present
    from sloth.adapters.paths import cache_dir

    spec = loaded.spec
    distribution = registry.distribution(spec.kubernetes.distribution)
    needs = distribution.needs(version or version_of(spec))
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
