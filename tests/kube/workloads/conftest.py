"""Fixtures: the same cases once on the fake API server, once on a real one with its controllers."""

import time

import pytest

from sloth.kube import Client
from tests.kube.command import command
from tests.kube.conftest import QUICK
from tests.kube.real import archive
from tests.kube.workloads.cluster import NODE, ControlledKube, Hand


@pytest.fixture(scope="session")
def controlled(tmp_path_factory):
    """The real server, its controllers, and a hand that acts for the kubelet of one node."""
    if not (archive("kube-apiserver") and archive("etcd") and archive("kube-controller-manager")):
        pytest.skip("the mirror has no kube-apiserver, etcd and kube-controller-manager: sloth mirror create")
    server = ControlledKube(tmp_path_factory.mktemp("controlled"))
    try:
        with Client(server.connection) as client:
            make_node(client, NODE)
        with Hand(server.connection):
            yield server
    finally:
        server.stop()


def node(name):
    """A Node that says it is Ready."""
    status = {
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "all well"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.9"}, {"type": "Hostname", "address": name}],
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "allocatable": {"cpu": "3800m", "memory": "7Gi", "pods": "110"},
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


@pytest.fixture
def real_server(controlled):
    """Below this folder, the real one is the one with controllers."""
    return controlled


@pytest.fixture
def real_client(controlled):
    """A client of the real one."""
    with Client(controlled.connection, policy=QUICK) as made:
        yield made


@pytest.fixture
def real_space(real_client):
    """A namespace of this test's own on the real one; its pods end when it goes."""
    import secrets

    name = f"w-{secrets.token_hex(4)}"
    real_client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    real_client.delete("namespaces", name)


@pytest.fixture
def kubectl(controlled, real_space):
    """`kubectl(*words)`: what the real kubectl prints in the test's namespace."""
    if not controlled.tool:
        pytest.skip("the mirror has no kubectl: sloth mirror create")
    return lambda *words, **settings: controlled.kubectl(real_space, *words, **settings)


def eventually(condition):
    """What controllers do takes its time. Gives what the condition gives; a minute without it is a failure."""
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
    return found


def make_node(client, name):
    """A node that pods may be bound to: the server taints new ones until a controller, which is not here, says they are ready."""
    client.create(node(name))
    client.patch("nodes", name, {"spec": {"taints": None}})


@pytest.fixture
def run(server, space, tmp_path, monkeypatch):
    """The command line against either server."""
    return command(server.connection, space, tmp_path, monkeypatch)


@pytest.fixture
def real_run(controlled, real_space, tmp_path, monkeypatch):
    """The command line against the real one."""
    return command(controlled.connection, real_space, tmp_path, monkeypatch)
