"""Fixtures: the options of the transport, against the fake API server over TLS and the real one."""

from dataclasses import replace

import pytest

from sloth.kube import Client
from sloth.testing.kube import FakeKube
from tests.kube.conftest import QUICK
from tests.kube.trust.loopback import authority, server_context


class ModernKube(FakeKube):
    """The fake API server behind TLS, which speaks HTTP/2 with whoever wants it."""

    def __init__(self, folder, protocols=("h2", "http/1.1")):
        self._tls = server_context(folder, "127.0.0.1")
        self._tls.set_alpn_protocols(list(protocols))
        super().__init__()

    def _listen(self, port):
        super()._listen(port)
        self._http.socket = self._tls.wrap_socket(self._http.socket, server_side=True)
        self._http.handle_error = lambda *words: None  # a client that breaks a handshake off is no failure of the server

    @property
    def url(self):
        return super().url.replace("http:", "https:")

    @property
    def connection(self):
        return replace(super().connection, ca=authority())


@pytest.fixture
def modern(tmp_path):
    """One of this test's own."""
    with ModernKube(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def modern_server(tmp_path_factory):
    """One that lives as long as the real one."""
    with ModernKube(tmp_path_factory.mktemp("modern")) as server:
        yield server


@pytest.fixture(params=["modern", pytest.param("real", marks=pytest.mark.kube)])
def server(request):
    """Either of them."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture(
    params=[{"http2": True}, {"protobuf": True}, {"http2": True, "protobuf": True}], ids=["http2", "protobuf", "both"]
)
def options(request):
    """Settings of a client."""
    return request.param


@pytest.fixture
def client(server, options):
    """A client of either server with these options."""
    with Client(server.connection, policy=QUICK, **options) as made:
        yield made
