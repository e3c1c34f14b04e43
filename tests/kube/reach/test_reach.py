"""The clients through SSH: one connection for all they do, and what happens when it is cut, refused or not the right host."""

import asyncio
import contextlib
import itertools
import os
import socket
import threading
from dataclasses import replace

import pytest

from sloth.adapters import ssh_route
from sloth.adapters.direct_route import DirectFirst
from sloth.errors import ConnectError
from sloth.kube import AsyncClient, Client, Informer
from sloth.kube.pool import Clients
from tests.kube.reach.conftest import QUICK
from tests.kube.test_contract import config
from tests.ports import free_port
from tests.unit.adapters.ssh_server import host_key, line


def eventually(true, seconds=20.0):
    """Wait until it is true: threads end a moment after what ended them."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")


def bridges():
    return [thread.name for thread in threading.enumerate() if thread.name == "ssh-bridge"]


def test_everything_goes_over_one_ssh_connection(pods, nodes, through):
    (node,) = nodes()
    connection = through(pods.connection, [node])
    data = os.urandom(2_000_000)
    with Client(connection, policy=QUICK) as client:
        assert [pod["metadata"]["name"] for pod in client.list("pods")] == ["web"]
        assert client.exec("web", ["cat"], stdin=data).stdout == data
        threads = [threading.Thread(target=client.get, args=("pods", "web")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        port = int(pods.connection.server.rpartition(":")[2])
        with client.forward("web", f"0:{port}") as forward:
            direct = replace(pods.connection, server=f"http://127.0.0.1:{forward.ports[0]}")
            with Client(direct) as inner:
                assert inner.get("pods", "web")["metadata"]["name"] == "web"

    async def more():
        async with AsyncClient(connection, policy=QUICK) as client:
            done = await asyncio.gather(*(client.exec("web", ["cat"], stdin=data) for _ in range(4)))
            assert {each.stdout for each in done} == {data}

    asyncio.run(more())
    assert node.connections == 1
    assert connection.route.node == "control-1"
    assert connection.route.told == []
    eventually(lambda: not bridges())


def test_files_go_both_ways(pods, nodes, through, tmp_path):
    source, there, back = tmp_path / "source", tmp_path / "there", tmp_path / "back"
    source.write_bytes(os.urandom(3_000_000))
    there.mkdir()
    with Client(through(pods.connection, nodes()), policy=QUICK) as client:
        client.copy_to("web", source, f"{there}/")
        client.copy_from("web", str(there / "source"), back)
    assert back.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("left", ["the same node", "another node"])
def test_a_watch_outlives_the_ssh_connection(pods, nodes, through, left):
    servers = nodes(1 if left == "the same node" else 2)
    connection = through(pods.connection, servers)
    with Client(connection, policy=QUICK) as client:
        watch = client.watch("configmaps")
        client.create(config("before"))
        assert next(watch).object["metadata"]["name"] == "before"
        if left == "the same node":
            servers[0].drop()
        else:
            servers[0].close()
        with Client(pods.connection) as direct:
            direct.create(config("in-the-gap"))
        assert next(watch).object["metadata"]["name"] == "in-the-gap"
        client.create(config("after"))
        assert next(watch).object["metadata"]["name"] == "after"
        watch.close()
    if left == "another node":
        assert connection.route.node == "control-2"
        assert ["control-2" in text for text in connection.route.told] == [True]


def test_an_informer_loses_nothing_when_ssh_is_cut_again_and_again(pods, nodes, through):
    (node,) = nodes()
    with (
        Client(through(pods.connection, [node]), policy=QUICK) as client,
        Client(pods.connection) as direct,
        Informer(client, "configmaps") as informer,
    ):
        informer.synced(20)
        for number in range(5):
            direct.create(config(f"c{number}"))
            node.drop()
        eventually(lambda: {item["metadata"]["name"] for item in informer.store.all()} >= {f"c{number}" for number in range(5)})


def test_the_next_control_plane_is_taken_when_the_first_is_gone(pods, nodes, through):
    gone, here = nodes(2)
    gone.close()
    connection = through(pods.connection, [gone, here])
    with Client(connection, policy=QUICK) as client:
        assert client.get("pods", "web")
        assert client.get("pods", "web")
    assert here.connections == 1
    assert len(connection.route.told) == 1
    assert "control-1" in connection.route.told[0]
    assert "connect/refused" in connection.route.told[0]
    assert "going through control-2" in connection.route.told[0]


def test_a_changed_host_key_is_refused(pods, nodes, through):
    (node,) = nodes()
    other = node.login(node="control-1", host_keys=(line(host_key()),))
    with Client(through(pods.connection, [node], logins=[other]), policy=QUICK) as client, pytest.raises(ConnectError) as caught:
        client.get("pods", "web")
    assert caught.value.code == "connect/host-key-mismatch"
    assert node.logins == []
    assert pods.requests == []


def test_another_node_with_the_right_key_is_taken_and_the_wrong_one_told(pods, nodes, through):
    wrong, right = nodes(2)
    logins = [wrong.login(node="control-1", host_keys=(line(host_key()),)), right.login(node="control-2")]
    connection = through(pods.connection, [wrong, right], logins=logins)
    with Client(connection, policy=QUICK) as client:
        assert client.get("pods", "web")
    assert wrong.logins == []
    assert "connect/host-key-mismatch" in connection.route.told[0]


def test_no_node_lets_us_in(pods, nodes, through):
    servers = nodes(2)
    for server in servers:
        server.close()
    with Client(through(pods.connection, servers), policy=QUICK) as client, pytest.raises(ConnectError) as caught:
        client.get("pods", "web")
    assert caught.value.code == "kube/no-route"
    assert "control-1" in caught.value.detail
    assert "control-2" in caught.value.detail


def test_a_node_that_does_not_forward(pods, nodes, through):
    servers = nodes(forward=False)
    with Client(through(pods.connection, servers), policy=QUICK) as client, pytest.raises(ConnectError) as caught:
        client.get("pods", "web")
    assert caught.value.code == "kube/route-forbidden"
    assert "AllowTcpForwarding" in caught.value.hint


def test_the_api_server_of_another_node_where_this_ones_is_down(pods, nodes, through):
    (node,) = nodes()
    there = ("127.0.0.1", int(pods.connection.server.rpartition(":")[2]))
    with Client(through(pods.connection, [node], targets=[("127.0.0.1", free_port()), there]), policy=QUICK) as client:
        assert client.get("pods", "web")
    assert node.connections == 1


def test_no_api_server_at_all(pods, nodes, through):
    connection = through(pods.connection, nodes(), targets=[("127.0.0.1", free_port())])
    with Client(connection, policy=QUICK) as client, pytest.raises(ConnectError) as caught:
        client.get("pods", "web")
    assert caught.value.code == "kube/unreachable"
    assert "as control-1 sees it" in caught.value.detail


def test_the_ssh_connection_rests_after_its_last_channel(pods, nodes, through, monkeypatch):
    monkeypatch.setattr(ssh_route, "_LINGER", 0.01)
    (node,) = nodes()
    connection = through(pods.connection, [node])
    with Client(connection, policy=QUICK) as client:
        client.get("pods", "web")
    eventually(lambda: not connection.route.node)
    with Client(connection, policy=QUICK) as client:
        assert client.get("pods", "web")
    assert node.connections == 2


def test_who_stops_waiting_for_a_connection_leaves_none_behind(pods, nodes, through):
    (node,) = nodes(banner_delay=0.3)
    connection = through(pods.connection, [node])

    async def work():
        async with AsyncClient(connection, policy=QUICK) as client:
            asking = asyncio.ensure_future(client.get("pods", "web"))
            await asyncio.sleep(0)
            while not node.connections:
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(work())
    eventually(lambda: connection.route.node and not bridges())


def test_a_pool_keeps_clients_of_different_routes_apart(pods, nodes, through):
    servers = nodes(2)
    first, second = (through(pods.connection, [server]) for server in servers)
    assert first.key() != second.key()
    assert first.cluster_id() == second.cluster_id()
    pool = Clients(policy=QUICK)
    for connection in (first, second, first):
        with pool.use(connection) as client:
            assert client.get("pods", "web")
    pool.close()
    assert (pool.counts.made, pool.counts.hits) == (2, 1)


@pytest.mark.kube
def test_tls_is_spoken_with_the_real_api_server_itself(real_server, nodes, through):
    """Its own authority, and a name that every API server has, though the address in the connection is none of its."""
    (node,) = nodes()
    connection = replace(through(real_server.connection, [node]), tls_server_name="")
    with Client(connection, policy=QUICK) as client:
        assert client.get("namespaces", "default")["metadata"]["name"] == "default"
        names = [f"reach-{number}" for number in range(20)]
        for name in names:
            client.create(config(name))
        watch = client.watch("configmaps", labels="")
        seen = {event.object["metadata"]["name"] for event in itertools.islice(watch, len(names))}
        node.drop()
        eventually(lambda: client.get("namespaces", "default"))  # what only asks finds out that the way is cut
        client.create(config("reach-later"))
        while "reach-later" not in seen:
            seen.add(next(watch).object["metadata"]["name"])
        watch.close()
        for name in [*names, "reach-later"]:
            client.delete("configmaps", name)

    async def more():
        async with AsyncClient(connection, policy=QUICK) as client:
            return await asyncio.gather(*(client.get("namespaces", "default") for _ in range(10)))

    assert len(asyncio.run(more())) == 10
    strange = replace(connection, tls_server_name="api.example.com")
    with Client(strange, policy=QUICK) as client, pytest.raises(ConnectError) as caught:
        client.get("namespaces", "default")
    assert caught.value.code == "kube/certificate"
    unknown = replace(connection, ca=(real_server.folder / "client-ca.crt").read_bytes())
    with Client(unknown, policy=QUICK) as client, pytest.raises(ConnectError) as caught:
        client.get("namespaces", "default")
    assert caught.value.code == "kube/certificate"


def test_directly_where_that_works(pods, nodes, through):
    (node,) = nodes()
    connection = through(pods.connection, [node])
    told = []
    host, port = "127.0.0.1", int(pods.connection.server.rpartition(":")[2])
    direct = replace(connection, route=DirectFirst(host, port, connection.route, told.append))
    with Client(direct, policy=QUICK) as client:
        assert client.get("pods", "web")
    assert (node.connections, told) == (0, [])


def test_through_ssh_where_it_does_not_and_that_is_told_once(pods, nodes, through):
    (node,) = nodes()
    connection = through(pods.connection, [node])
    told = []
    port = free_port()
    detour = replace(connection, route=DirectFirst("127.0.0.1", port, connection.route, told.append))
    with Client(detour, policy=QUICK) as client:
        for _ in range(3):
            assert client.exec("web", ["true"]).code == 0
    assert node.connections == 1
    assert len(told) == 1
    assert f"127.0.0.1 port {port} cannot be reached from here" in told[0]
    assert "--via-ssh" in told[0]


@pytest.mark.kube
def test_a_port_with_nobody_behind_it_is_no_direct_way(real_server, nodes, through):
    """As that of a balancer without members: it accepts, and closes."""
    connection = through(real_server.connection, nodes())
    with socket.create_server(("127.0.0.1", 0)) as empty:

        def balance():
            with contextlib.suppress(OSError):
                while True:
                    empty.accept()[0].close()

        thread = threading.Thread(target=balance)
        thread.start()
        for front in ("sync", "async"):
            told = []
            detour = replace(connection, route=DirectFirst(*empty.getsockname(), connection.route, told.append))
            if front == "sync":
                with Client(detour, policy=QUICK) as client:
                    assert client.get("namespaces", "default")
            else:
                assert asyncio.run(asked(detour))
            assert len(told) == 1
        empty.shutdown(socket.SHUT_RDWR)
    thread.join()


async def asked(connection):
    async with AsyncClient(connection, policy=QUICK) as client:
        return await client.get("namespaces", "default")


@pytest.mark.kube
def test_another_cluster_at_the_address_is_no_reason_to_go_on(real_server, nodes, through):
    (node,) = nodes()
    connection = through(real_server.connection, [node])
    told = []
    direct = DirectFirst("127.0.0.1", real_server.port, connection.route, told.append)
    strange = replace(connection, route=direct, ca=(real_server.folder / "client-ca.crt").read_bytes())
    for front in (lambda: Client(strange, policy=QUICK).get("namespaces", "default"), lambda: asyncio.run(asked(strange))):
        with pytest.raises(ConnectError) as caught:
            front()
        assert caught.value.code == "kube/certificate"
    assert (told, node.connections) == ([], 0)


def test_neither_way(pods, nodes, through):
    servers = nodes(1)
    servers[0].close()
    connection = through(pods.connection, servers)
    detour = replace(connection, route=DirectFirst("127.0.0.1", free_port(), connection.route, lambda text: None))
    with Client(detour, policy=QUICK) as client, pytest.raises(ConnectError) as caught:
        client.get("pods", "web")
    assert caught.value.code == "connect/refused"
    assert "cannot be reached from here" in caught.value.detail
