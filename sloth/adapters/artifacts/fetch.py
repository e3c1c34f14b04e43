"""HTTP GET as artifacts need it: bounded in time, size and attempts, resumed where the server can, never from https to http."""

from __future__ import annotations

import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

from sloth.errors import MachinesError

log = logging.getLogger(__name__)
_CHUNK = 1 << 18  # bytes
LIMIT = 1 << 31  # bytes of one file: the largest image is a tenth of it
Told = Callable[[int, int], None]  # bytes so far, bytes in all (0 = unknown)
_TRANSIENT = (OSError, http.client.HTTPException)
_WORTH_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class Refused(Exception):
    """The server answered, with an error status. `status` and `headers` are the answer's."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"HTTP status {status}")
        self.status = status
        self.headers = headers


@dataclass(frozen=True, kw_only=True)
class Http:
    """How to fetch. Proxies come from the environment, as everywhere."""

    schemes: frozenset[str] = frozenset({"https"})
    timeout: float = 30.0  # seconds without a byte
    attempts: int = 4
    pause: float = 1.0  # seconds before the second attempt, doubled for each further one
    context: SSLContext | None = None  # for servers with a private certificate authority
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def chunks(
        self, url: str, *, headers: Mapping[str, str] | None = None, limit: int = LIMIT, told: Told | None = None
    ) -> Iterator[bytes]:
        """The body, piece by piece. An interrupted transfer goes on where it stopped if the server can, else it fails.

        Raises Refused, or MachinesError.
        """
        transfer = _Transfer(self, url, dict(headers or {}), limit)
        for chunk in transfer.run():
            yield chunk
            if told:
                told(transfer.done, transfer.total)

    def read(self, url: str, *, headers: Mapping[str, str] | None = None, limit: int = 1 << 22) -> bytes:
        """A small body. Raises Refused, or MachinesError."""
        return b"".join(self.chunks(url, headers=headers, limit=limit))

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str], *, method: str = "GET") -> Iterator[Any]:
        """One request, redirects followed. Raises Refused, MachinesError, OSError."""
        self.check(url)
        handlers: list[urllib.request.BaseHandler] = [_Redirects(self)]
        if self.context:
            handlers.append(urllib.request.HTTPSHandler(context=self.context))
        request = urllib.request.Request(url, headers={"User-Agent": "sloth", **headers}, method=method)  # noqa: S310
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=self.timeout) as response:
                yield response
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, dict(error.headers.items())) from None

    def check(self, url: str) -> None:
        """Refuse an address of another kind. Raises MachinesError."""
        if urlsplit(url).scheme not in self.schemes:
            raise MachinesError(
                "artifacts/insecure-address",
                f"{url} is not fetched: only {' or '.join(sorted(self.schemes))} is accepted here",
                hint="use an https:// address",
            )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects never lead to a weaker scheme, and take no credentials to another host."""

    max_redirections = 5

    def __init__(self, http: Http) -> None:
        self._http = http

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> Any:  # noqa: PLR0917
        """Called by urllib for each redirect; the signature is its own."""
        try:
            self._strong(req.full_url, newurl)
        except MachinesError:
            fp.close()
            raise
        fresh = super().redirect_request(req, fp, code, msg, headers, newurl)
        if fresh and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            fresh.remove_header("Authorization")
        return fresh

    def _strong(self, old: str, new: str) -> None:
        self._http.check(new)
        if urlsplit(old).scheme == "https" and urlsplit(new).scheme != "https":
            raise MachinesError(
                "artifacts/insecure-redirect", f"{old} redirects to {new}", hint="use a server that stays with https"
            )


class _Transfer:
    """One body in as many requests as it takes, at most `attempts` in a row without a byte of progress."""

    def __init__(self, http: Http, url: str, headers: dict[str, str], limit: int) -> None:
        self._http = http
        self._url = url
        self._headers = headers
        self._limit = limit
        self._etag = ""
        self.done = 0
        self.total = 0

    def run(self) -> Iterator[bytes]:
        failures = 0
        while True:
            before = self.done
            try:
                yield from self._once()
                return
            except Refused as error:
                cause: Exception = error
                if error.status not in _WORTH_AGAIN:
                    raise
            except _TRANSIENT as error:
                cause = error
            failures = 1 if self.done > before else failures + 1
            if failures >= self._http.attempts:
                raise self._given_up(cause) from cause
            log.info("%s: %s at byte %d, trying again", self._url, cause, self.done)
            self._http.sleep(self._http.pause * 2 ** (failures - 1))

    def _once(self) -> Iterator[bytes]:
        headers = dict(self._headers)
        if self.done and self._etag:
            headers |= {"Range": f"bytes={self.done}-", "If-Range": self._etag}
        with self._http.open(self._url, headers) as response:
            self._begin(response)
            while chunk := response.read(_CHUNK):
                self.done += len(chunk)
                self._bounded(self.done)
                yield chunk
        if self.total and self.done != self.total:
            raise http.client.IncompleteRead(b"", self.total - self.done)

    def _begin(self, response: Any) -> None:
        length = int(response.headers.get("Content-Length") or 0)
        if not self.done:
            self._etag = response.headers.get("ETag", "")
            self.total = length
            self._bounded(length)
        elif response.status != http.client.PARTIAL_CONTENT or not self._etag:
            raise MachinesError(
                "artifacts/transfer-broken",
                f"the transfer of {self._url} broke off at byte {self.done}, and the server cannot resume it",
                hint="run the command again",
            )

    def _bounded(self, size: int) -> None:
        if size > self._limit:
            raise MachinesError(
                "artifacts/too-large",
                f"{self._url} is larger than {self._limit} bytes",
                hint="check the address: this is not an artifact",
            )

    def _given_up(self, cause: Exception) -> MachinesError:
        reason = getattr(cause, "reason", cause)
        return MachinesError(
            "artifacts/unreachable",
            f"{self._url} cannot be fetched: {reason}",
            detail=f"{self._http.attempts} attempts; {self.done} bytes came",
            hint=f"curl -v {self._url} says whether this machine reaches it",
        )


def reachable(url: str, timeout: float = 3.0, *, how: Http | None = None) -> bool:
    """Whether a server answers there, within `timeout` seconds, with anything but an error of its own or of a proxy."""
    probe = how or Http()
    once = Http(schemes=probe.schemes, timeout=timeout, attempts=1, context=probe.context)
    try:
        with once.open(url, {}, method="HEAD") as response:
            return bool(response.status < 400)
    except Refused as error:
        return error.status == http.client.UNAUTHORIZED  # a registry asks for a token first
    except (*_TRANSIENT, ValueError, MachinesError):
        return False
