"""`sloth mirror serve`: a mirror's files over HTTP, read-only. Nodes compare digests, so plain HTTP is enough."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from sloth.adapters.artifacts.mirror import INDEX
from sloth.errors import MachinesError, UsageError

log = logging.getLogger(__name__)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_CHUNK = 1 << 18  # bytes
_IDLE = 60.0  # seconds after which a silent client is let go


class MirrorServer:
    """A running server. Use as a context manager, or call `close`."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="mirror", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address that nodes use."""
        host, port = self._server.server_address[:2]
        text = str(host)
        return f"http://{f'[{text}]' if ':' in text else text}:{port}"

    def wait(self) -> None:
        """Until `close` is called, or Ctrl-C."""
        self._thread.join()

    def close(self) -> None:
        """Take no more requests and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MirrorServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(directory: Path, bind: str = "127.0.0.1", port: int = 0) -> MirrorServer:
    """Serve a mirror's folder on one address. Port 0 picks a free one. Raises UsageError or MachinesError."""
    root = directory.resolve()
    if not (root / INDEX).is_file():
        raise UsageError("artifacts/no-index", f"{directory} is not a mirror: it has no {INDEX}", hint="sloth mirror create")
    if not _one_address(bind):
        raise UsageError(
            "artifacts/bind-all",
            f"the mirror is served on one address of this machine, not on {bind!r}",
            hint="sloth mirror serve --bind with the address that nodes reach",
        )
    handler = type("MirrorHandler", (_Handler,), {"root": root})
    kind = _Server6 if ":" in bind else _Server
    try:
        return MirrorServer(kind((bind, port), handler))
    except OSError as error:
        raise MachinesError(
            "artifacts/bind-failed",
            f"the mirror cannot be served on {bind} port {port}: {error.strerror or error}",
            hint="sloth mirror serve --port 0 picks a free port",
        ) from None


def _one_address(bind: str) -> bool:
    try:
        address = ipaddress.ip_address(bind)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (address.is_unspecified or address.is_multicast or (mapped is not None and mapped.is_unspecified))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        log.info("a transfer to %s broke off", client_address, exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    root: Path
    server_version = "sloth"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = _IDLE

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        log.debug("%s %s", self.address_string(), format % args)

    def _answer(self, *, body: bool) -> None:
        path = self._file()
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            stream = path.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with stream:
            self._send(stream, body=body)

    def _file(self) -> Path | None:
        """The regular file below the root that the request means; nothing hidden, nothing outside, no folder."""
        parts = [part for part in unquote(urlsplit(self.path).path).split("/") if part]
        if not parts or any(part.startswith(".") or "\0" in part or "\\" in part for part in parts):
            return None
        try:
            path = self.root.joinpath(*parts).resolve()
            return path if path.is_relative_to(self.root) and path.is_file() else None
        except OSError:  # a name that is too long for any file
            return None

    def _send(self, stream: IO[bytes], *, body: bool) -> None:
        size = stream.seek(0, 2)
        wanted = self._range(size)
        if wanted is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, end = wanted
        partial = (first, end) != (0, size)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(end - first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", self._tag(stream))
        self.end_headers()
        if body:
            self._copy(stream, first, end)

    def _copy(self, stream: IO[bytes], first: int, end: int) -> None:
        stream.seek(first)
        left = end - first
        while left and (chunk := stream.read(min(_CHUNK, left))):
            self.wfile.write(chunk)
            left -= len(chunk)

    def _tag(self, stream: IO[bytes]) -> str:
        status = os.fstat(stream.fileno())
        return f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'

    def _range(self, size: int) -> tuple[int, int] | None:
        """The bytes asked for, first to behind the last; None if there are none such. What is not understood means all."""
        found = _RANGE.match(self.headers.get("Range", ""))
        if not found or found.groups() == ("", ""):
            return 0, size
        low, high = found.groups()
        if not low:
            first, end = max(0, size - int(high)), size
        else:
            first, end = int(low), min(int(high) + 1 if high else size, size)
        return (first, end) if first < end else None
