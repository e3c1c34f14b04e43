"""Artifacts from somebody's mirror: a folder or a web address with the same layout. Its index is held against `sloth.lock`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sloth.adapters.artifacts.entries import Entry, load
from sloth.adapters.artifacts.fetch import LIMIT, Http, Refused
from sloth.adapters.artifacts.layout import ARCH, Origin, Variant
from sloth.adapters.artifacts.lock import Lock
from sloth.adapters.artifacts.mirror import INDEX
from sloth.adapters.artifacts.store import Store, Stored
from sloth.contracts.provider import Emit
from sloth.errors import ConfigError, MachinesError
from sloth.model.artifact import Artifact, Need
from sloth.model.event import Event

_CHUNK = 1 << 20  # bytes
# Plain http is accepted: a mirror in a machine room seldom has a certificate, and every file is compared with its digest.
_HTTP = Http(schemes=frozenset({"https", "http"}))


class ForeignMirror:
    """One mirror, read-only."""

    def __init__(self, address: str, store: Store, emit: Emit, *, http: Http = _HTTP, arch: str = ARCH) -> None:
        """`address`: a URL or a folder. Raises ConfigError for what is neither."""
        self._address = address.rstrip("/") or "/"
        self._remote = "://" in address
        self._store = store
        self._emit = emit
        self._http = http
        self._arch = arch
        if self._remote and (urlsplit(address).scheme not in http.schemes or "@" in urlsplit(address).netloc):
            raise ConfigError(
                "artifacts/mirror-address",
                "spec.artifacts.mirror is neither a folder nor an http(s) address without a password",
                detail=f"scheme {urlsplit(address).scheme}, host {urlsplit(address).hostname}",
                hint="write it as https://mirror.example.com/sloth or /srv/mirror",
            )

    def fetch(self, needs: Sequence[Need], lock: Lock) -> list[tuple[Artifact, Stored]]:
        """All of them, in order, each as the lock pins it. Raises MachinesError or StateError."""
        index = self._index()
        found = [self._find(need, index, lock) for need in needs]
        for artifact in found:
            lock.check(artifact)
        return [(artifact, self._one(artifact)) for artifact in found]

    def _find(self, need: Need, index: Sequence[Entry], lock: Lock) -> Artifact:
        origins: tuple[Origin, ...] = ("source", "upstream")
        variants = [Variant(need=need, origin=origin, arch=self._arch) for origin in origins]
        listed = {(each.name, each.kind, each.file, each.origin): each for each in index}
        pinned = {pin.origin for variant in variants if (pin := lock.pin(variant))}
        for variant in sorted(variants, key=lambda each: each.origin not in pinned):
            each = listed.get((need.name, need.kind, variant.file, variant.origin))
            if each:
                return variant.artifact(sha256=each.sha256, size=each.size, recipe=each.recipe)
        raise MachinesError(
            "artifacts/not-in-mirror",
            f"{need.name} {need.version} is not in the mirror {self._address}",
            detail=f"looked for {' and '.join(sorted({variant.file for variant in variants}))} in its {INDEX}",
            hint="sloth mirror create, where that mirror is made",
        )

    def _one(self, artifact: Artifact) -> Stored:
        known = self._store.get(artifact.sha256)
        if known:
            return known
        self._emit(Event(kind="machine", title=f"fetch {artifact.file}", detail=self._address))
        what = f"{self._address}/{artifact.file}"
        return self._store.put(self._chunks(artifact.file, artifact.size), expect=artifact.sha256, what=what)

    def _index(self) -> list[Entry]:
        try:
            return load(b"".join(self._chunks(INDEX, 1 << 24)).decode())
        except ValueError as error:
            raise MachinesError(
                "artifacts/not-a-mirror",
                f"{self._address}/{INDEX} is not the index of a mirror: {error}",
                hint="sloth mirror create makes one",
            ) from None

    def _chunks(self, name: str, limit: int) -> Iterator[bytes]:
        """The content of a file of the mirror, at most `limit` bytes. Raises MachinesError."""
        try:
            if self._remote:
                yield from self._http.chunks(f"{self._address}/{name}", limit=min(limit, LIMIT))
                return
            with (Path(self._address).expanduser() / name).open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk
        except (Refused, OSError) as error:
            raise MachinesError(
                "artifacts/missing-in-mirror",
                f"{name} cannot be read from the mirror {self._address}: {error}",
                hint="sloth mirror create, where that mirror is made",
            ) from None
