"""The signature that curl puts on a node's upload is the one that S3 computes (AWS General Reference, “Signature Version 4”)."""

import hashlib
import hmac
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sloth.backup.names import ARCHIVE, MANIFEST
from sloth.backups import sending
from sloth.model.spec import BackupSpec, ClusterSpec

SECRET = "half+of/the=key"


@pytest.fixture
def server():
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            seen.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", seen
    made.shutdown()
    made.server_close()


def signature(path, headers, body, region):
    """As S3 computes it from what it got."""
    lower = {name.lower(): value for name, value in headers.items()}
    words = dict(part.strip().split("=", 1) for part in lower["authorization"].partition(" ")[2].split(","))
    names = words["SignedHeaders"].split(";")
    assert {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names)
    assert lower["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
    canonical = "\n".join(
        [
            "PUT",
            path,
            "",
            *(f"{name}:{lower[name].strip()}" for name in names),
            "",
            ";".join(names),
            lower["x-amz-content-sha256"],
        ]
    )
    day = lower["x-amz-date"][:8]
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{lower['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + SECRET.encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return words["Signature"], hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_it_is_right(server, tmp_path, monkeypatch):
    url, seen = server
    monkeypatch.setenv("ID", "AKEXAMPLE")
    monkeypatch.setenv("SECRET", SECRET)
    backup = BackupSpec(
        to=f"s3://bucket/deep/shop?region=eu-west-1&endpoint={url}", access_key={"env": "ID"}, secret_key={"env": "SECRET"}
    )
    way = sending(ClusterSpec(name="shop", backup=backup))
    name = "shop-20261125T172030Z"
    (tmp_path / (name + ARCHIVE)).write_bytes(b"sealed" * 50_000)
    (tmp_path / (name + MANIFEST)).write_bytes(b"manifest\n")
    (tmp_path / "place.curl").write_text(way.curl.reveal())
    text = way.program.replace("/etc/sloth/backup/place.curl", str(tmp_path / "place.curl"))
    done = subprocess.run(
        ["sh", "-c", text, "send", name, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [path for path, _, _ in seen] == [f"/bucket/deep/shop/{name}{ARCHIVE}", f"/bucket/deep/shop/{name}{MANIFEST}"]
    for path, headers, body in seen:
        theirs, ours = signature(path, headers, body, "eu-west-1")
        assert theirs == ours
