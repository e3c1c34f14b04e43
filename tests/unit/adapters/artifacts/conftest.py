"""Fixtures: a store, events kept, a loopback web server, plain and with TLS."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass

import pytest

from sloth.adapters.artifacts.fetch import Http
from sloth.adapters.artifacts.store import Store
from tests.unit.adapters.artifacts.web import running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


@pytest.fixture
def events():
    return []


@pytest.fixture
def web():
    with running() as server:
        yield server


@pytest.fixture
def http():
    """Plain http allowed, and no waiting between attempts."""
    return Http(schemes=frozenset({"http", "https"}), pause=0, timeout=5)


@dataclass
class Tls:
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """Contexts of a server with a certificate for 127.0.0.1, and of clients that trust it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = builder.not_valid_before(now - day).not_valid_after(now + day).add_extension(address, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "both.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())
    return Tls(server, client)


@pytest.fixture
def secure_web(tls):
    with running(tls.server) as server:
        yield server


@pytest.fixture
def go(tmp_path, monkeypatch):
    """A stub in place of the Go toolchain."""
    import os

    from tests.unit.adapters.artifacts.go_stub import GoStub

    stub = GoStub(tmp_path / "go-stub")
    monkeypatch.setenv("PATH", f"{stub.home}{os.pathsep}{os.environ['PATH']}")
    return stub


@pytest.fixture
def no_go(tmp_path, monkeypatch):
    """A machine without Go."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.fixture
def sources(tmp_path):
    """Two module folders."""
    for name, version in (("one", "1.26.0"), ("two", "1.25")):
        folder = tmp_path / "source" / name
        folder.mkdir(parents=True)
        (folder / "go.mod").write_text(f"module m/{name}\n\ngo {version}\n")
        (folder / "go.sum").write_text("")
    return tmp_path / "source"
