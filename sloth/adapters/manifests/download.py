"""Manifests from the web: encrypted unless told otherwise, bounded, held against a checksum if there is one."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from sloth.errors import KubernetesError, MachinesError, UsageError

if TYPE_CHECKING:
    from sloth.adapters.artifacts.fetch import Http

LIMIT = 16 << 20  # bytes of one document


def download(url: str, digest: str = "", *, plain_http: bool = False, http: Http | None = None) -> bytes:
    """The text at an address. Raises UsageError (`kube/plain-http`), KubernetesError (`kube/download`, `kube/checksum`)."""
    from sloth.adapters.artifacts.fetch import Http, Refused  # heavy, and most manifests are files

    if url.startswith("http://") and not plain_http and not digest:
        raise UsageError(
            "kube/plain-http",
            f"{url} is not encrypted: anybody on the way could change what is applied",
            hint="use https://, or --sha256 HEX, or --allow-http if that is meant",
        )
    # A checksum says what the text must be, whoever carries it.
    schemes = frozenset({"https", "http"}) if url.startswith("http://") else frozenset({"https"})
    try:
        found = (http or Http(schemes=schemes)).read(url, limit=LIMIT)
    except (Refused, MachinesError) as error:
        why = error.detail or error.summary if isinstance(error, MachinesError) else str(error)
        raise KubernetesError("kube/download", f"{url} could not be fetched", detail=why, hint=f"curl -fLO {url}") from error
    got = hashlib.sha256(found).hexdigest()
    if digest and not hmac.compare_digest(got, digest.lower()):
        raise KubernetesError(
            "kube/checksum",
            f"{url} is not what it was: its SHA-256 is another one; nothing was applied",
            detail=f"expected {digest.lower()}\ngot      {got}",
            hint="look at what changed there before you take the new checksum",
        )
    return found
