"""TLS servers, proxies and identity providers on the loopback, with certificates of an authority of the tests."""

from __future__ import annotations

import base64
import ipaddress
import json
import select
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sloth.testing.kube import FakeKube


@cache
def _authority():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(minutes=5), now + timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return key, made.sign(key, hashes.SHA256())


def authority() -> bytes:
    """The authority's certificate, PEM."""
    return _authority()[1].public_bytes(serialization.Encoding.PEM)


def server_context(folder, *names, seen=None) -> ssl.SSLContext:
    """Of a server with a certificate for these names and addresses; names that clients ask for go to `seen`."""
    signer, root = _authority()
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    found = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    made = x509.CertificateBuilder(
        root.subject, subject, key.public_key(), x509.random_serial_number(), now - timedelta(minutes=5), now + timedelta(days=1)
    )
    made = made.add_extension(x509.SubjectAlternativeName(found), critical=False).sign(signer, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{names[0]}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if seen is not None:
        context.sni_callback = lambda sock, name, ctx: seen.append(name)
    return context


class TlsKube(FakeKube):
    """The fake API server behind TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        # A client that breaks a handshake off is no failure of the server.
        self._http.handle_error = lambda *words: None

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")


@contextmanager
def serving(handler, context=None):
    """An HTTP server of this handler class; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *words: None
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Proxy(BaseHTTPRequestHandler):
    """CONNECT, and plain requests passed on. `asked` is what it was asked for, `auth` what it was told of its user."""

    protocol_version = "HTTP/1.1"
    asked: list[str]
    auth: list[str]

    def do_CONNECT(self):
        self.asked.append(self.path)
        self.auth.append(self.headers.get("Proxy-Authorization", ""))
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            ends = {self.connection: far, far: self.connection}
            with suppress(OSError):
                while True:
                    for each in select.select(list(ends), [], [])[0]:
                        data = each.recv(65536)
                        if not data:
                            return
                        ends[each].sendall(data)

    def log_message(self, *words):
        pass


def token(name, expires, **more):
    """A JSON Web Token that nobody checks."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": name, "exp": expires, **more}).encode()).decode().rstrip("=")
    return f"head.{claims}.signature"


class Provider:
    """An identity provider. Each refresh token is good for one use; `asked` are the forms, `users` the clients' credentials."""

    def __init__(self, lifetime=3600, now=lambda: 1_000_000.0):
        self.refresh, self.number, self.lifetime, self.now = "refresh-token-0", 0, lifetime, now
        self.asked, self.users, self.methods = [], [], None
        self.given: list[str] = []
        self.answer = None  # status and body instead of tokens
        self.lock = threading.Lock()

    def handler(self):
        of = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                base = f"{'https' if isinstance(self.connection, ssl.SSLSocket) else 'http'}://{self.headers['Host']}"
                about = {"issuer": base, "token_endpoint": f"{base}/token"}
                about |= {"token_endpoint_auth_methods_supported": of.methods} if of.methods else {}
                ok = self.path == "/.well-known/openid-configuration"
                self.reply(200 if ok else 404, about)

            def do_POST(self):
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                with of.lock:
                    of.asked.append(form)
                    of.users.append(self.headers.get("Authorization", ""))
                    self.reply(*(of.answer or of.tokens(form)))

            def reply(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", "https://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *words):
                pass

        return Handler

    def tokens(self, form):
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh:
            return 400, {"error": "invalid_grant", "error_description": "used before"}
        self.number += 1
        self.refresh = f"refresh-token-{self.number}"
        self.given.append(token("jane", self.now() + self.lifetime, n=self.number))
        return 200, {"id_token": self.given[-1], "refresh_token": self.refresh}
