"""Google Cloud Storage on the loopback, as far as state needs it: objects with generations, conditions on them, lists.

Made after the reference of the XML API: `x-goog-if-generation-match` (0 = must not exist), `x-goog-generation`, list-type=2.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "sloth-state"


class _Handler(BaseHTTPRequestHandler):
    objects: dict[str, tuple[int, bytes, float]]  # name -> generation, content, time
    lock: threading.Lock
    generation = [1000]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._say(status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    def _name(self) -> str | None:
        bucket, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
        if unquote(bucket) != BUCKET:
            self._refuse(404, "NoSuchBucket")
            return None
        return unquote(name)

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        name = self._name()
        if name is None:
            return
        with self.lock:
            wanted, now = self.headers.get("x-goog-if-generation-match"), self.objects.get(name, (0, b"", 0.0))[0]
            if wanted is not None and int(wanted) != now:
                return self._refuse(412, "PreconditionFailed")
            self.generation[0] += 1
            self.objects[name] = (self.generation[0], data, datetime.now(UTC).timestamp())
            self._say(200, ETag=f'"same-{len(data)}"', x_goog_generation=str(self.generation[0]))

    def do_GET(self) -> None:
        name = self._name()
        if name is None:
            return
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        with self.lock:
            if "list-type" in query:
                return self._list(query)
            if name not in self.objects:
                return self._refuse(404, "NoSuchKey")
            generation, data, written = self.objects[name]
            when = formatdate(written, usegmt=True)
            self._say(200, data, ETag=f'"same-{len(data)}"', x_goog_generation=str(generation), Last_Modified=when)

    def do_DELETE(self) -> None:
        name = self._name()
        if name is None:
            return
        with self.lock:
            if self.objects.pop(name, None) is None:
                return self._refuse(404, "NoSuchKey")
            self._say(204)

    def _list(self, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        contents, prefixes = [], set()
        for name, (generation, data, written) in sorted(self.objects.items()):
            if not name.startswith(prefix):
                continue
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
                continue
            when = datetime.fromtimestamp(written, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            contents.append(
                f"<Contents><Key>{escape(name)}</Key><Generation>{generation}</Generation><LastModified>{when}</LastModified>"
                f"<ETag>same</ETag><Size>{len(data)}</Size></Contents>"
            )
        found = "".join(contents) + "".join(
            f"<CommonPrefixes><Prefix>{escape(x)}</Prefix></CommonPrefixes>" for x in sorted(prefixes)
        )
        self._say(200, f"<?xml version='1.0'?><ListBucketResult><Name>{BUCKET}</Name>{found}</ListBucketResult>".encode())


@contextmanager
def serving(account: Path) -> Iterator[str]:
    """A server with one empty bucket; `account` gets the file that leads to it. Gives its URL."""
    handler = type("Handler", (_Handler,), {"objects": {}, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_port}"
    nobody = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True, "gcs_base_url": url}
    account.write_text(json.dumps(nobody))
    threading.Thread(target=server.serve_forever, name="gcs-server", daemon=True).start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
