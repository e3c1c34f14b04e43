"""Fixtures: one contract suite, once on the fake and once on the real API server."""

import secrets

import pytest

from sloth.kube import Client
from sloth.kube.retry import Policy
from sloth.testing.kube import FakeKube
from tests.kube.real import RealKube, archive

QUICK = Policy(first=0.001, longest=0.002)


@pytest.fixture
def fake():
    """A fake API server of this test's own."""
    with FakeKube() as server:
        yield server


@pytest.fixture(scope="session")
def real_server(tmp_path_factory):
    """The real one, started for the first test that wants it."""
    if not (archive("kube-apiserver") and archive("etcd")):
        pytest.skip("the mirror has no kube-apiserver and etcd: sloth mirror create")
    server = RealKube(tmp_path_factory.mktemp("kube"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def fake_server():
    """The fake one for the contract suite, which lives as long as the real one."""
    with FakeKube() as server:
        yield server


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.kube)])
def server(request):
    """Either of them."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def client(server):
    """A client of either server."""
    with Client(server.connection, policy=QUICK) as made:
        yield made


@pytest.fixture
def space(client):
    """A namespace of this test's own."""
    name = f"t-{secrets.token_hex(4)}"
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def fake_client(fake):
    """A client of this test's own fake server."""
    with Client(fake.connection, policy=QUICK) as made:
        yield made
