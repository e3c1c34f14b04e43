"""The little of the OCI distribution protocol (github.com/opencontainers/distribution-spec) that pulling a public image takes."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sloth.adapters.artifacts import oci
from sloth.adapters.artifacts.fetch import Http, Refused, Told
from sloth.errors import MachinesError

_INDEXES = (oci.INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = (oci.MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_HUB = {"docker.io": "registry-1.docker.io"}


@dataclass(frozen=True, kw_only=True)
class Name:
    """A reference in its parts."""

    host: str
    repository: str
    tag: str


def parse(ref: str) -> Name:
    """`registry.k8s.io/coredns/coredns:v1` in its parts. Raises ValueError if it has no host or no tag."""
    host, slash, rest = ref.partition("/")
    repository, colon, tag = rest.rpartition(":")
    if not slash or not colon or not repository or not ("." in host or ":" in host or host == "localhost"):
        raise ValueError(f"{ref!r} is not HOST/NAME:TAG")
    return Name(host=host, repository=repository, tag=tag)


def registry_url(ref: str, http: Http) -> str:
    """Where the reference's registry answers: https, unless `http` accepts nothing else."""
    host = parse(ref).host
    return f"{'https' if 'https' in http.schemes else 'http'}://{_HUB.get(host, host)}"


def pull(ref: str, target: Path, *, http: Http, arch: str, told: Told | None = None) -> None:
    """Write the image as an archive to `target`. Every part is compared with its digest. Raises Refused or MachinesError."""
    _Pull(ref, http, told).write(target, arch)


@dataclass
class _Pull:
    ref: str
    http: Http
    told: Told | None
    token: dict[str, str] = field(default_factory=dict)

    def write(self, target: Path, arch: str) -> None:
        manifest = self._manifest(parse(self.ref).tag)
        if manifest["mediaType"] in _INDEXES:
            manifest = self._manifest(_choose(self.ref, manifest, arch))
        raw = oci.bytes_blob(manifest["mediaType"], manifest["raw"])
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pull-") as folder:
            config = self._blob(manifest["config"], Path(folder) / "config")
            layers = [self._blob(layer, Path(folder) / str(number)) for number, layer in enumerate(manifest["layers"])]
            oci.write_archive(target, self.ref, config=config, layers=layers, manifest=raw)

    def _manifest(self, reference: str) -> dict[str, Any]:
        """The manifest or index of a tag or digest, with its own bytes under `raw`."""
        headers = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))}
        raw = self._get(lambda extra: self.http.read(self._url("manifests", reference), headers={**headers, **extra}))
        if _DIGEST.match(reference) and f"sha256:{hashlib.sha256(raw).hexdigest()}" != reference:
            raise self._damaged(reference)
        try:
            document = json.loads(raw)
            kind = document.get("mediaType") or (oci.INDEX if "manifests" in document else oci.MANIFEST)
            needed = ("manifests",) if kind in _INDEXES else ("config", "layers")
            if kind not in (*_INDEXES, *_MANIFESTS) or any(key not in document for key in needed):
                raise ValueError(f"media type {kind!r}")
        except (ValueError, AttributeError) as error:
            raise self._damaged(f"manifest {reference}", str(error)) from None
        return {**document, "mediaType": kind, "raw": raw}

    def _blob(self, descriptor: Mapping[str, Any], path: Path) -> oci.Blob:
        digest, size = str(descriptor.get("digest")), int(descriptor.get("size", -1))
        if not _DIGEST.match(digest) or size < 0:
            raise self._damaged(digest)
        seen = self._get(lambda extra: self._receive(digest, size, path, extra))
        if f"sha256:{seen}" != digest or path.stat().st_size != size:
            raise self._damaged(digest)
        return oci.Blob(media_type=str(descriptor["mediaType"]), sha256=seen, size=size, path=path)

    def _receive(self, digest: str, size: int, path: Path, extra: Mapping[str, str]) -> str:
        seen = hashlib.sha256()
        with path.open("wb") as stream:
            for chunk in self.http.chunks(self._url("blobs", digest), headers=extra, limit=size, told=self.told):
                seen.update(chunk)
                stream.write(chunk)
        return seen.hexdigest()

    def _url(self, kind: str, reference: str) -> str:
        return f"{registry_url(self.ref, self.http)}/v2/{parse(self.ref).repository}/{kind}/{reference}"

    def _get(self, request: Callable[[Mapping[str, str]], Any]) -> Any:
        """Ask; when the registry wants a token, get an anonymous one and ask once more."""
        try:
            return request(self.token)
        except Refused as error:
            if error.status != 401:
                raise
            self.token = {"Authorization": f"Bearer {self._anonymous(error)}"}
            return request(self.token)

    def _anonymous(self, refused: Refused) -> str:
        challenge = next((value for key, value in refused.headers.items() if key.lower() == "www-authenticate"), "")
        fields = dict(_CHALLENGE.findall(challenge))
        if not challenge.lower().startswith("bearer ") or "realm" not in fields:
            raise refused
        query = {key: fields[key] for key in ("service", "scope") if key in fields}
        answer = json.loads(self.http.read(f"{fields['realm']}?{urlencode(query)}"))
        token = answer.get("token") or answer.get("access_token") or ""
        return str(token)

    def _damaged(self, what: str, why: str = "its digest does not match") -> MachinesError:
        return MachinesError(
            "artifacts/image-damaged",
            f"the registry gave a damaged part of {self.ref}: {what}",
            detail=why,
            hint="run the command again; if it stays so, do not trust that registry",
        )


def _choose(ref: str, index: Mapping[str, Any], arch: str) -> str:
    """Digest of the manifest for linux on that architecture."""
    for each in index["manifests"]:
        platform = each.get("platform", {})
        if platform.get("os") == "linux" and platform.get("architecture") == arch and _DIGEST.match(str(each.get("digest"))):
            return str(each["digest"])
    raise MachinesError(
        "artifacts/no-platform", f"{ref} has no image for linux on {arch}", hint="set spec.artifacts.source to build"
    )
