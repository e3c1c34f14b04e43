"""A fake API server that runs programs of this machine as if they were a pod's, and clients of it."""

import pytest

from sloth.kube import AsyncClient, Client
from sloth.kube.retry import Policy
from sloth.testing.kube import FakeKube

QUICK = Policy(first=0.001, longest=0.002)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "app", "ports": [{"name": "http", "containerPort": 8080}]}, {"name": "side"}]},
}


@pytest.fixture
def pods():
    """The server; its pod `web` is there."""
    with FakeKube(execute=True) as server:
        server.state.create(server.state.resource("", "v1", "pods"), "default", POD, "test")
        yield server


@pytest.fixture
def client(pods):
    with Client(pods.connection, policy=QUICK) as made:
        yield made


@pytest.fixture
def run(pods):
    """`run(lambda client: client.exec(…))` with an async client, to its end."""
    import asyncio

    def carried(work):
        async def whole():
            async with AsyncClient(pods.connection, policy=QUICK) as made:
                return await work(made)

        return asyncio.run(whole())

    return carried
