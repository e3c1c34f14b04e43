"""Artifacts from the projects' own release addresses, compared with the checksums that they publish."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from sloth.adapters.artifacts.fetch import LIMIT, Http, Refused, reachable
from sloth.adapters.artifacts.layout import ARCH, Variant
from sloth.adapters.artifacts.registry_pull import pull, registry_url
from sloth.adapters.artifacts.store import Store, Stored
from sloth.contracts.provider import Emit
from sloth.errors import MachinesError
from sloth.model.artifact import Artifact, Need
from sloth.model.event import Event

_AT_ONCE = 4  # files
_STEP = 4 << 20  # bytes between two progress events
_HEX = re.compile(r"\b[0-9a-f]{64}\b")
_CHUNK = 1 << 20  # bytes


class Upstream:
    """Fetches needs into a store."""

    def __init__(self, store: Store, emit: Emit, *, http: Http | None = None, arch: str = ARCH) -> None:
        self._store = store
        self._emit = emit
        self._http = http or Http()
        self._arch = arch

    def fetch(self, needs: Sequence[Need]) -> list[tuple[Artifact, Stored]]:
        """All of them, in order, several at once. Raises MachinesError for the first that cannot be had."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as pool:
            return list(pool.map(self._one, needs))

    def reachable(self, needs: Sequence[Need], timeout: float = 3.0) -> bool:
        """Whether every server that these needs come from answers within `timeout` seconds."""
        urls = {_server(self._variant(need), self._http) for need in needs}
        with ThreadPoolExecutor(max(len(urls), 1), thread_name_prefix="probe") as pool:
            return all(pool.map(lambda url: reachable(url, timeout, how=self._http), sorted(urls)))

    def _variant(self, need: Need) -> Variant:
        return Variant(need=need, origin="upstream", arch=self._arch)

    def _one(self, need: Need) -> tuple[Artifact, Stored]:
        variant = self._variant(need)
        try:
            blob = self._image(variant) if need.kind == "image" else self._binary(variant)
        except Refused as error:
            address = variant.ref or variant.fill(need.url)
            raise MachinesError(
                "artifacts/not-upstream",
                f"{need.name} {variant.version} is not to be had from {address}: {error}",
                hint="set spec.artifacts.source to build, or spec.artifacts.mirror",
            ) from None
        return variant.artifact(sha256=blob.sha256, size=blob.size), blob

    def _image(self, variant: Variant) -> Stored:
        with self._store.scratch() as folder:
            archive = folder / "image.tar"
            pull(variant.ref, archive, http=self._http, arch=self._arch, told=self._teller(variant.ref))
            return self._store.adopt(archive)

    def _binary(self, variant: Variant) -> Stored:
        need = variant.need
        url, sums = variant.fill(need.url), variant.fill(need.checksum_url)
        with self._store.alone(f"fetch-{PurePosixPath(urlsplit(url).path).name}"):
            expect = published(self._http.read(sums).decode(errors="replace"), url)
            whole = self._store.get(expect) or self._download(url, expect)
        if not need.member:
            return whole
        return self._store.put(_member(whole, variant.fill(need.member), url))

    def _download(self, url: str, expect: str) -> Stored:
        chunks = self._http.chunks(url, told=self._teller(url))
        return self._store.put(chunks, expect=expect, what=url)

    def _teller(self, title: str) -> Callable[[int, int], None]:
        last = [-_STEP]

        def told(done: int, total: int) -> None:
            if done - last[0] >= _STEP or done == total:
                last[0] = done
                self._emit(Event(kind="progress", title=f"fetch {title}", done=done, total=total))

        return told


def published(text: str, url: str) -> str:
    """The SHA-256 that a checksum file gives for the file at `url`. Raises MachinesError."""
    name = PurePosixPath(urlsplit(url).path).name
    lines = [line.split() for line in text.splitlines() if _HEX.match(line)]
    for words in lines:
        if len(words) > 1 and PurePosixPath(words[-1].lstrip("*")).name == name:
            return words[0]
    if len(lines) == 1 and len(lines[0]) == 1:
        return lines[0][0]
    raise MachinesError(
        "artifacts/no-checksum",
        f"no SHA-256 is published for {url}",
        detail=text[:500],
        hint="set spec.artifacts.source to build, or spec.artifacts.mirror",
    )


def _member(archive: Stored, member: str, url: str) -> Iterator[bytes]:
    """The content of one regular file of a tar.gz."""
    wanted = PurePosixPath(member)
    try:
        with tarfile.open(archive.path, "r:gz") as tar:
            for entry in tar:
                if PurePosixPath(entry.name) == wanted and entry.isfile() and entry.size <= LIMIT:
                    stream: IO[bytes] | None = tar.extractfile(entry)
                    while stream and (chunk := stream.read(_CHUNK)):
                        yield chunk
                    return
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _no_member(url, member, str(error)) from None
    raise _no_member(url, member, "the archive has no such file")


def _no_member(url: str, member: str, why: str) -> MachinesError:
    return MachinesError(
        "artifacts/not-in-archive",
        f"{member} cannot be taken out of {url}: {why}",
        hint="set spec.artifacts.source to build, or spec.artifacts.mirror",
    )


def _server(variant: Variant, http: Http) -> str:
    """An address of the need's server that is sure to exist."""
    if variant.need.kind == "image":
        return f"{registry_url(variant.ref, http)}/v2/"
    return variant.fill(variant.need.checksum_url)
