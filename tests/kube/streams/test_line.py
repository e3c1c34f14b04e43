"""The socket below a sync stream: TLS without blocking, much in both directions, ends of every kind."""

import contextlib
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from sloth.errors import ConnectError
from sloth.kube.connection import Connection
from sloth.kube.direct.carrier import Upgraded
from sloth.kube.streams.line import Line
from sloth.kube.sync_library import Library
from sloth.kube.wire import Request


def upgraded(sock, early=b""):
    """A connection after its upgrade."""
    return Upgraded(sock, early, 101, {})


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate of `here` and its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("here")]), critical=False)
    form = serialization.Encoding.PEM
    text = made.sign(key, hashes.SHA256()).public_bytes(form)
    text += key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "here.pem"
    path.write_bytes(text)
    return path


@pytest.fixture
def tls(certificate):
    """A TLS connection in this process: our end, and the other."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # so that sending often has to wait
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    made = []
    thread = threading.Thread(target=lambda: made.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    client = ssl.create_default_context(cafile=certificate).wrap_socket(ours, server_hostname="here")
    thread.join()
    yield client, made[0]
    client.close()
    made[0].close()


@pytest.fixture(autouse=True)
def no_keepalive(monkeypatch):
    """Which sockets of one process do not have."""
    monkeypatch.setattr("sloth.kube.streams.line.keep_alive", lambda sock: None)


def echo(sock):
    try:
        while data := sock.recv(65536):
            sock.sendall(data)
    except OSError:
        pass


def unwrapped(sock):
    """The end of TLS, in order. It waits for the other side's, which may never come."""
    with contextlib.suppress(OSError):
        sock.unwrap()


def test_much_goes_both_ways_over_tls(tls):
    ours, theirs = tls
    server = threading.Thread(target=echo, args=(theirs,))
    server.start()
    line, data, found = Line(upgraded(ours)), bytes(range(256)) * 20_000, bytearray()
    out = bytearray(data)
    while len(found) < len(data):
        line.send(out)
        came = line.receive()
        if came is None:
            line.wait(10, writing=bool(out))
        else:
            assert not line.over
            found += came
    line.close()
    server.join(30)
    assert found == data


@pytest.mark.parametrize("shut", ["close", "unwrap"])
def test_the_other_side_ends(tls, shut):
    ours, theirs = tls
    line = Line(upgraded(ours, b"early "))
    theirs.sendall(b"late")
    if shut == "unwrap":
        threading.Thread(target=unwrapped, args=(theirs,), daemon=True).start()
    else:
        theirs.close()
    found = b""
    while not line.over:
        came = line.receive()
        if came is None:
            line.wait(10, writing=False)
        found += came or b""
    assert found == b"early late"
    assert line.receive() == b""
    line.wait(None, writing=True)  # there is nothing to wait for
    out = bytearray(b"too late")
    line.send(out)
    assert line.waiting == 0
    line.close()


def test_sending_to_a_peer_that_went_is_no_failure_of_its_own():
    ours, theirs = socket.socketpair()
    line = Line(upgraded(ours))
    theirs.close()
    line.send(bytearray(1_000_000))
    assert line.receive() == b""
    assert line.over
    line.close()


def test_waking_ends_a_wait_and_waking_often_is_no_matter():
    ours, theirs = socket.socketpair()
    line = Line(upgraded(ours))
    for _ in range(100_000):
        line.wake()
    line.wait(None, writing=False)
    waiter = threading.Thread(target=line.wait, args=(None,), kwargs={"writing": False})
    line.wait(0, writing=False)
    waiter.start()
    line.wake()
    waiter.join(30)
    assert not waiter.is_alive()
    line.close()
    line.wake()
    theirs.close()


def test_tls_within_tls_is_refused():
    """The socket is not where the plain bytes are."""
    ours, theirs = socket.socketpair()
    response = Response(ours, inner=object())
    library = Library(Connection("http://127.0.0.1:1", proxy="http://127.0.0.1:1"), None)
    library._opened = lambda client, request, read: response
    with pytest.raises(ConnectError) as caught:
        library.upgrade(Request("GET", "/", what="exec"))
    assert caught.value.code == "kube/stream-proxy"
    assert ours.fileno() == -1
    theirs.close()
    library.close()


class Response(httpx2.Response):
    """What httpx2 gives after an upgrade, as far as it is used."""

    def __init__(self, sock, inner):
        super().__init__(101, stream=httpx2.ByteStream(b""), extensions={"network_stream": self})
        self.sock, self.inner = sock, inner

    def get_extra_info(self, name):
        return {"socket": self.sock, "ssl_object": self.inner}[name]

    def close(self):
        self.sock.close()
