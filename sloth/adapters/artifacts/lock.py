"""`sloth.lock`: pins what nodes get. A digest that differs from the pinned one is refused, whoever brings it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sloth.adapters.artifacts.entries import NO_IMAGES, Entry, Images, dump, entry, load, load_images
from sloth.adapters.artifacts.layout import Variant
from sloth.adapters.artifacts.oci import replacing
from sloth.errors import StateError
from sloth.model.artifact import Artifact


@dataclass(frozen=True)
class Lock:
    """The pins of one file. Without a path nothing is pinned, and nothing is written."""

    path: Path | None
    entries: tuple[Entry, ...] = ()
    images: Images = field(default_factory=lambda: NO_IMAGES)

    def pin(self, variant: Variant) -> Entry | None:
        """What is pinned for that variant, or None. Pins are for a file, which names version and architecture."""
        for each in self.entries:
            if (each.name, each.kind, each.file) == (variant.need.name, variant.need.kind, variant.file):
                return each
        return None

    def check(self, artifact: Artifact) -> Artifact:
        """The artifact, if its digest is the pinned one or none is pinned. Raises StateError."""
        for pinned in self.entries:
            if (pinned.name, pinned.kind, pinned.file) == (artifact.name, artifact.kind, artifact.file):
                _same(pinned, artifact, self.path)
        return artifact

    def write(self, artifacts: Sequence[Artifact], beside: Iterable[Variant] = ()) -> None:
        """Pin exactly these artifacts, and keep what is pinned of the variants `beside` (those of another version).

        The file is left alone when that is what it says already.
        """
        pins = {(each.name, each.kind, each.file): each for variant in beside if (each := self.pin(variant))}
        pins |= {(each.name, each.kind, each.file): each for each in (entry(artifact) for artifact in artifacts)}
        self._write(list(pins.values()), self.images)

    def pin_images(self, cloud: str, found: Mapping[str, str]) -> None:
        """Pin images (name -> id) of a cloud that are not pinned yet."""
        pins = {**found, **self.images.get(cloud, {})}
        if found:
            self._write(self.entries, {**self.images, cloud: pins})

    def _write(self, entries: Sequence[Entry], images: Images) -> None:
        text = dump(entries, images)
        old = dump(self.entries, self.images) if self.entries or self.images else ""
        if self.path is None or text == old:
            return
        with replacing(self.path) as stream:
            stream.write(text.encode())


def _same(pinned: Entry, artifact: Artifact, path: Path | None) -> None:
    if pinned.sha256 == artifact.sha256:
        return
    raise StateError(
        "artifacts/digest-changed",
        f"{artifact.name} {artifact.version} is not what {path} pins",
        detail=f"pinned: sha256 {pinned.sha256} ({_from(pinned.origin, pinned.recipe)})\n"
        f"found:  sha256 {artifact.sha256} ({_from(artifact.origin, artifact.recipe)})",
        where=str(path),
        hint=f"if the change is wanted, delete {path} and run the command again",
    )


def _from(origin: str, recipe: str) -> str:
    return f"from {origin}, recipe {recipe[:12]}" if recipe else f"from {origin}"


def read_lock(path: Path | None) -> Lock:
    """The lock in that file; an empty one if there is none. Raises StateError for a damaged or newer one."""
    if path is None or not path.exists():
        return Lock(path)
    try:
        text = path.read_text(encoding="utf-8")
        return Lock(path, tuple(load(text)), load_images(text))
    except (ValueError, OSError) as error:
        raise StateError(
            "artifacts/lock-unreadable",
            f"{path} cannot be used: {error}",
            where=str(path),
            hint=f"git checkout {path.name}, or delete it to pin anew",
        ) from None


def pinned_origin(lock: Lock, variants: Iterable[Variant]) -> str:
    """The origin that the lock's pins of these come from, or "" when it pins none of them."""
    found = {pin.origin for variant in variants if (pin := lock.pin(variant))}
    return sorted(found)[0] if found else ""
