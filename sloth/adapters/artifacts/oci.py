"""Image archives, written byte for byte the same from the same inputs.

The archive is an OCI image layout (github.com/opencontainers/image-spec, image-layout.md) with a Docker `manifest.json`
beside it, so that both `ctr images import` and `docker load` take it. Layers are not compressed: nodes import them faster,
and mirrors are on a local network.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
INDEX = "application/vnd.oci.image.index.v1+json"
EPOCH = "1970-01-01T00:00:00Z"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class Blob:
    """One blob of an archive: in memory (`data`) or in a file (`path`)."""

    media_type: str
    sha256: str
    size: int  # bytes
    data: bytes = b""
    path: Path | None = None

    @property
    def descriptor(self) -> dict[str, Any]:
        """How manifests point at it."""
        return {"mediaType": self.media_type, "digest": f"sha256:{self.sha256}", "size": self.size}

    @property
    def name(self) -> str:
        """Where it is in the archive."""
        return f"blobs/sha256/{self.sha256}"


def bytes_blob(media_type: str, data: bytes) -> Blob:
    """A blob of bytes."""
    return Blob(media_type=media_type, sha256=hashlib.sha256(data).hexdigest(), size=len(data), data=data)


def file_blob(media_type: str, path: Path) -> Blob:
    """A blob of a file; reads it once for its digest."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Blob(media_type=media_type, sha256=digest, size=path.stat().st_size, path=path)


def write_image(
    target: Path,
    ref: str,
    files: Mapping[str, Path],
    *,
    entrypoint: Sequence[str],
    base: Sequence[Path] = (),
    arch: str = "amd64",
) -> None:
    """Write an image archive of `files` (path in the image -> local file, made executable) over uncompressed `base` layers.

    The archive appears under `target` in one move or not at all.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".image-") as folder:
        own = Path(folder) / "layer.tar"
        write_layer(own, files)
        layers = [file_blob(LAYER, path) for path in (*base, own)]
        config = bytes_blob(CONFIG, compact(_config(layers, entrypoint, arch)))
        write_archive(target, ref, config=config, layers=layers)


def _config(layers: Sequence[Blob], entrypoint: Sequence[str], arch: str) -> dict[str, Any]:
    return {
        "created": EPOCH,
        "architecture": arch,
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "Env": [PATH], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}" for layer in layers]},
        "history": [{"created": EPOCH, "created_by": "sloth"} for _ in layers],
    }


def write_layer(target: Path, files: Mapping[str, Path]) -> None:
    """Write a layer of executables, with the folders above them and a /tmp that all may write to."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        wanted = {name.strip("/"): path for name, path in files.items()}
        folders = {str(parent) for name in wanted for parent in PurePosixPath(name).parents} - {"."} | {"tmp"}
        for folder in sorted(folders):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for name, path in sorted(wanted.items()):
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, path.stat().st_size
            with path.open("rb") as stream:
                tar.addfile(entry, stream)


def write_archive(target: Path, ref: str, *, config: Blob, layers: Sequence[Blob], manifest: Blob | None = None) -> None:
    """Write an image archive of these blobs under the name `ref`; in one move or not at all.

    Without `manifest` one is made; with one (pulled from a registry) its bytes, and so the image's digest, stay as they are.
    """
    manifest = manifest or bytes_blob(MANIFEST, compact(_manifest(config, layers)))
    texts = {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": _index(ref, manifest),
        "manifest.json": [{"Config": config.name, "RepoTags": [ref], "Layers": [layer.name for layer in layers]}],
    }
    blobs = {blob.name: blob for blob in (config, *layers, manifest)}
    with replacing(target) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in sorted(texts.items()):
            _add(tar, name, bytes_blob("", compact(text)))
        for name, blob in sorted(blobs.items()):
            _add(tar, name, blob)


def _manifest(config: Blob, layers: Sequence[Blob]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }


def _index(ref: str, manifest: Blob) -> dict[str, Any]:
    # containerd reads the name under which it imports from the first of these, other tools from the second.
    names = {"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref.rpartition(":")[2]}
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**manifest.descriptor, "annotations": names}]}


def _add(tar: tarfile.TarFile, name: str, blob: Blob) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = 0o644, blob.size
    if blob.path is None:
        tar.addfile(entry, io.BytesIO(blob.data))
        return
    with blob.path.open("rb") as stream:
        tar.addfile(entry, stream)


def compact(value: Any) -> bytes:
    """JSON without spaces, keys sorted: the same value gives the same bytes."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A stream whose content becomes `target` when the block ends well, and is gone when it does not."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
