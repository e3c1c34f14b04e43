"""Where things are in a mirror, and what a need becomes in one of its variants. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from sloth.model.artifact import Artifact, Need

ARCH = "amd64"
Origin = Literal["upstream", "source"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A need as one origin gives it: placeholders filled in."""

    need: Need
    origin: Origin
    arch: str = ARCH

    @property
    def version(self) -> str:
        """The version that this origin gives."""
        return self.need.source_version or self.need.version if self.origin == "source" else self.need.version

    @property
    def file(self) -> str:
        """Path below a mirror's root."""
        need = self.need
        name = f"{need.name}.tar" if need.kind == "image" else PurePosixPath(need.path or need.name).name
        return f"{need.name}/{self.version}/linux-{self.arch}/{name}"

    @property
    def ref(self) -> str:
        """The image's name."""
        return self.fill(self.need.ref)

    def fill(self, text: str) -> str:
        """`text` with its placeholders replaced."""
        values = {"version": self.version, "number": self.version.removeprefix("v"), "arch": self.arch}
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        return text

    def artifact(self, *, sha256: str, size: int, recipe: str = "") -> Artifact:
        """What it is once its content is known. `size` in bytes."""
        need = self.need
        return Artifact(
            name=need.name,
            version=self.version,
            kind=need.kind,
            sha256=sha256,
            size=size,
            file=self.file,
            path=need.path if need.kind == "binary" else "",
            ref=self.ref,
            origin=self.origin,
            recipe=recipe,
            roles=need.roles,
        )
