"""An API server that only an SSH server on the loopback leads to: the address in the connection is one that nobody has."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from sloth.adapters.ssh_connect import Patience
from sloth.adapters.ssh_route import SshRoute
from sloth.contracts.api import Door
from sloth.kube.retry import Policy
from sloth.testing.kube import FakeKube
from tests.kube.streams.conftest import POD
from tests.unit.adapters.ssh_server import Server

QUICK = Policy(first=0.001, longest=0.002)
NOWHERE = "https://192.0.2.1:6443"  # RFC 5737: an address for documentation
SHORT = Patience(total=0.2, auth=0.2, dial=2.0)


@pytest.fixture
def pods():
    """A fake API server that runs programs of this machine as if they were a pod's."""
    with FakeKube(execute=True) as server:
        server.state.create(server.state.resource("", "v1", "pods"), "default", POD, "test")
        yield server


@pytest.fixture
def nodes(tmp_path):
    """`nodes(2)`: so many SSH servers."""
    made = []

    def make(count=1, **options):
        made.extend(Server(tmp_path, **options) for _ in range(count))
        return made[-count:]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def through():
    """`through(connection, nodes)`: the connection by way of these nodes; what the route tells is in `told`."""
    routes = []

    def make(connection, nodes, targets=None, logins=None):
        at = urlsplit(connection.server)
        targets = targets or [(at.hostname, at.port)]
        logins = logins or [node.login(node=f"control-{number}") for number, node in enumerate(nodes, 1)]
        told = []
        doors = [Door(login=login, targets=tuple(targets)) for login in logins]
        route = SshRoute(lambda: doors, told.append, SHORT)
        route.told = told
        routes.append(route)
        return replace(connection, server=NOWHERE.replace("https", at.scheme), route=route)

    yield make
    for route in routes:
        route.close()
