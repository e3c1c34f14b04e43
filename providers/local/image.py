"""The node image, keyed by content: made once, then every cluster with the same needs starts from it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sloth.api import Artifact, Delivery, Emit, Event, MachinesError

from .bake import bake, tree
from .docker import Docker
from .labels import MODE
from .packages import RELEASE, build, text
from .profile import CAPABILITIES


@dataclass(frozen=True)
class NodeImage:
    """The image for one delivery."""

    docker: Docker
    emit: Emit
    delivery: Delivery

    @property
    def key(self) -> str:
        """Digest of everything that is in the image."""
        goods = sorted([a.kind, a.name, a.sha256, a.path, a.ref] for a in self.delivery.artifacts)
        return _digest([packages_key(), template_digest(), goods])

    @property
    def ref(self) -> str:
        """The image's name."""
        return f"sloth-node:{self.key}"

    def ensure(self) -> str:
        """Have the image; returns how its containers must be run (`privileged` or `capabilities`). Raises MachinesError."""
        mode = self._mode()
        if mode:
            return mode
        cache_dir = cache_folder()
        with _lock(cache_dir / "bake.lock", lambda: self._tell("wait for another run that makes an image", 0, 1)):
            mode = self._mode()  # another run may have made it while this one waited
            if not mode:
                self._make(cache_dir)
                mode = self._mode() or CAPABILITIES
        return mode

    def _make(self, cache_dir: Path) -> None:
        wanted = self.delivery.artifacts
        goods = []
        for number, artifact in enumerate(wanted):
            self._tell(f"check {artifact.name}", number, len(wanted))
            goods.append((artifact, self._file(artifact)))
        base = f"sloth-packages:{packages_key()}"
        if not self._labels(base):
            build(self.docker, base, cache_dir, self._tell)
        bake(self.docker, base, self.ref, goods, key=self.key, tell=self._tell)

    def _file(self, artifact: Artifact) -> Path:
        """The artifact in the local store, checked against its digest."""
        path = Path(self.delivery.store) / artifact.file
        if not self.delivery.store or not path.is_file():
            raise MachinesError(
                "local/artifact-missing", f"`{artifact.name}` {artifact.version} is not in the local store",
                detail=str(path), hint="fetch it: sloth mirror create",
            )  # fmt: skip
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != artifact.sha256:
            raise MachinesError(
                "local/artifact-digest", f"`{artifact.name}` {artifact.version} in the local store is not what the lock pins",
                detail=f"{path}\nwanted sha256 {artifact.sha256}\nfound  sha256 {found}", hint=f"fetch it again: rm {path}",
            )  # fmt: skip
        return path

    def _mode(self) -> str:
        labels = self._labels(self.ref)
        return str(labels.get(MODE, CAPABILITIES)) if labels else ""

    def _labels(self, ref: str) -> dict[str, Any] | None:
        """The labels of an image (with one of ours, so never empty), or None if there is no such image."""
        done = self.docker.attempt("image", "inspect", "--format", "{{json .Config.Labels}}", ref)
        return {"": "", **(json.loads(done.stdout) or {})} if done.returncode == 0 else None

    def _tell(self, what: str, done: float, total: float) -> None:
        self.emit(Event(kind="progress", title="node image", detail=what, done=done, total=total))


@cache
def packages_key() -> str:
    """Digest of what the packages image is made from."""
    return _digest([RELEASE, text("packages.txt"), text("Dockerfile")])


@cache
def template_digest() -> str:
    """Digest of everything else in templates/node."""
    root = files("sloth.templates") / "node"
    return _digest(sorted([path, entry.read_text(encoding="utf-8")] for path, entry in tree(root)))


def cache_folder() -> Path:
    """Where locks and passing files of image builds lie; made if missing."""
    home = os.environ.get("SLOTH_CACHE_DIR")
    root = Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sloth"
    folder = root / "local"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def _lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the file's lock; the kernel gives it back when the process ends in whatever way."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
