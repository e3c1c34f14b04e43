"""A mirror's folder: `NAME/VERSION/linux-ARCH/FILE` and `index.json`. Files are hard links into the store where they can be."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sloth.adapters.artifacts.entries import Entry, dump, entry, load
from sloth.adapters.artifacts.oci import replacing
from sloth.adapters.artifacts.store import Stored
from sloth.errors import MachinesError
from sloth.model.artifact import Artifact

INDEX = "index.json"


class Mirror:
    """The mirror in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entries(self) -> list[Entry]:
        """What its index lists; nothing if there is no index. Raises MachinesError for a damaged one."""
        path = self.root / INDEX
        try:
            return load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (ValueError, OSError) as error:
            raise MachinesError(
                "artifacts/index-unreadable",
                f"{path} cannot be used: {error}",
                where=str(path),
                hint=f"delete {path}, then run `sloth mirror create`",
            ) from None

    def publish(self, found: Sequence[tuple[Artifact, Stored]]) -> None:
        """Have these files, then list them; what else is listed stays."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self._alone():
            known = {each.file: each for each in self.entries()}
            for artifact, blob in found:
                # Size and time alone do not tell two builds of one version apart.
                listed = artifact.file in known and known[artifact.file].sha256 == blob.sha256
                self._place(self.root / artifact.file, blob, listed=listed)
            ours = {artifact.file: entry(artifact) for artifact, _ in found}
            if {**known, **ours} != known:
                with replacing(self.root / INDEX) as stream:
                    stream.write(dump({**known, **ours}.values()).encode())

    def _place(self, target: Path, blob: Stored, *, listed: bool) -> None:
        if listed and target.exists() and _shape(target) == _shape(blob.path):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as folder:
            part = Path(folder) / "part"
            try:
                os.link(blob.path, part)
            except OSError:  # another file system, or one without hard links
                shutil.copy2(blob.path, part)
            os.replace(part, target)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.root / ".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _shape(path: Path) -> tuple[int, int]:
    """Equal for a file and its copy: the store gives all its blobs one fixed time, and a write changes it."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns
