"""HTTP/2 of both fronts against the fake API server: one connection for everything, and what goes wrong with it."""

import asyncio
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from sloth.errors import ConnectError, UsageError
from sloth.kube import AsyncClient, AsyncInformer, Client, Informer
from sloth.kube.retry import Policy
from sloth.kube.wire import Request
from sloth.testing.kube import Fault
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config, wait_for
from tests.kube.transport.conftest import ModernKube

ONCE = Policy(attempts=1)
FAST = {"rate": 1e6, "burst": 10**6}


def run(server, work, policy=QUICK):
    """`work(client)` in a loop of its own."""

    async def whole():
        async with AsyncClient(server.connection, policy=policy, http2=True, **FAST) as client:
            return await work(client)

    return asyncio.run(whole())


@pytest.fixture
def many(modern):
    """A client of many threads."""
    with Client(modern.connection, policy=QUICK, http2=True, **FAST) as made:
        yield made


def side_by_side(count, work):
    """In threads; what each gave, or raised."""
    found = []

    def one(number):
        try:
            found.append(work(number))
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_threads_share_one_connection(modern, many):
    def work(number):
        many.create(config(f"c{number}", n="x" * 3_000 * number))
        return [len(many.get("cm", f"c{number}")["data"]["n"]) for _ in range(20)]

    assert sorted(side_by_side(24, work)) == [[3_000 * number] * 20 for number in range(24)]
    assert len(modern.connections) == 1
    (link,) = many.wire._carrier._links
    assert (link._waits, link._machine.active) == ({}, 0)  # nothing is kept of what is answered


def test_tasks_share_one_connection(modern):
    async def work(client):
        await asyncio.gather(*(client.create(config(f"c{number}", n="x" * 3_000 * number)) for number in range(24)))
        found = await asyncio.gather(*(client.get("cm", f"c{number}") for number in range(24)))
        return [len(each["data"]["n"]) for each in found], len(modern.connections)

    assert run(modern, work) == ([3_000 * number for number in range(24)], 1)


def test_a_watch_shares_it_too_and_is_ended_alone(modern, many):
    with Informer(many, "cm") as one, Informer(many, "secrets") as other:
        one.synced(30)
        other.synced(30)
        one.stop()
        many.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
        wait_for(lambda: other.store.get("default/s"))
        assert len(modern.connections) == 1


def test_more_watches_than_the_server_takes_streams(modern, many):
    """A hundred on the first connection, the rest on a second one."""
    stop = threading.Event()
    seen = []

    def follow(number):
        for event in many.watch("cm", fields=f"metadata.name=c{number}", stop=stop):
            seen.append(event.object["metadata"]["name"])
            return

    threads = [threading.Thread(target=follow, args=(number,)) for number in range(130)]
    for thread in threads:
        thread.start()
    wait_for(lambda: sum("watch=true" in target for _, target in modern.requests) == 130)
    assert len(modern.connections) == 2
    for number in range(130):
        many.create(config(f"c{number}"))
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(f"c{number}" for number in range(130))


def test_a_large_list(modern, many):
    for number in range(30):
        modern.state.create(many.run(many.kinds.find("cm")), "default", config(f"c{number}", n="x" * 700_000), "test", dry=False)
    assert len(many.list("cm")) == 30
    assert len(run(modern, lambda client: client.list("cm"))) == 30


def leave_at_the_next(modern):
    """The next request meets a server that is leaving and has not begun it."""
    (spoken,) = modern.conversations
    receive = spoken._happened

    def goodbye(event):
        if type(event).__name__ == "RequestReceived" and spoken._last > event.stream_id:
            spoken._h2.highest_inbound_stream_id = event.stream_id - 2
            spoken.leave()
            spoken._h2.highest_inbound_stream_id = event.stream_id
        receive(event)

    spoken._happened = goodbye
    return spoken


def test_what_a_leaving_server_did_not_begin_is_sent_again_even_if_it_changes_something(modern):
    with Client(modern.connection, policy=ONCE, http2=True) as client:
        client.get("namespaces", "default")
        leaving = leave_at_the_next(modern)
        assert client.create(config("a"))["metadata"]["name"] == "a"
        assert leaving._last < leaving._h2.highest_inbound_stream_id
        assert [method for method, _ in modern.requests].count("POST") == 1

    async def work(client):
        await client.get("namespaces", "default")
        leaving = leave_at_the_next(modern)
        made = await client.create(config("b"))
        return leaving._last < leaving._h2.highest_inbound_stream_id, made["metadata"]["name"]

    assert run(modern, work, ONCE) == (True, "b")


def test_what_a_leaving_server_has_begun_goes_on(modern, many):
    with many.open(Request("GET", "/api/v1/configmaps", (("watch", "true"),))) as chunks:
        (spoken,) = modern.conversations
        spoken.leave()
        many.create(config("a"))  # on a new connection
        assert b'"name":"a"' in next(iter(chunks))
        wait_for(lambda: len(modern.connections) == 2)


def test_a_change_that_was_cut_off_is_not_made_twice(modern, many):
    for work in (
        lambda: many.create(config("a")),
        lambda: run(modern, lambda client: client.create(config("b"))),
    ):
        modern.faults.append(Fault(when=lambda method, target: method == "POST", cut=10))
        with pytest.raises(ConnectError) as caught:
            work()
        assert caught.value.code == "kube/unreachable"
    assert [method for method, _ in modern.requests].count("POST") == 2


def test_a_read_that_was_cut_off_is_repeated(modern, many):
    modern.faults.append(Fault(cut=10))
    assert many.get("namespaces", "default")["kind"] == "Namespace"
    modern.faults.append(Fault(cut=10))
    assert run(modern, lambda client: client.get("namespaces", "default"))["kind"] == "Namespace"
    assert [target for _, target in modern.requests] == ["/api/v1/namespaces/default"] * 4


def test_refusals_are_as_ever(modern, many):
    modern.faults += [Fault(status=429, headers={"Retry-After": "0"}), Fault(status=503, headers={"Retry-After": "0"})]
    assert many.get("namespaces", "default")["kind"] == "Namespace"


def test_a_server_that_was_away(modern, many):
    with Informer(many, "cm") as informer:
        informer.synced(30)
        modern.restart()
        # What was being sent when the server went may have been done, so nobody sends it again: after that moment all is as ever.
        many.get("namespaces", "default")
        many.create(config("a"))
        wait_for(lambda: informer.store.get("default/a"))


def test_a_server_of_http1_only(tmp_path):
    for protocols in (["http/1.1"], ["spdy/3"]):
        with ModernKube(tmp_path, protocols) as server:
            with Client(server.connection, policy=ONCE, http2=True) as client:
                assert [client.get("namespaces", "default")["kind"] for _ in range(3)] == ["Namespace"] * 3
                for _ in client.watch("namespaces"):
                    break
            assert run(server, lambda client: client.get("namespaces", "default"), ONCE)["kind"] == "Namespace"
            assert server.conversations == []


def test_without_tls_it_is_http1(fake):
    with Client(fake.connection, policy=ONCE, http2=True) as client:
        assert client.get("namespaces", "default")["kind"] == "Namespace"
    assert run(fake, lambda client: client.get("namespaces", "default"), ONCE)["kind"] == "Namespace"


def test_who_does_not_prove_to_be_the_cluster_is_sent_nothing(modern):
    stranger = replace(modern.connection, tls_server_name="elsewhere.example.org")
    with Client(stranger, http2=True) as client, pytest.raises(ConnectError) as caught:
        client.get("namespaces", "default")
    assert caught.value.code == "kube/certificate"

    async def work():
        async with AsyncClient(stranger, http2=True) as client:
            await client.get("namespaces", "default")

    with pytest.raises(ConnectError) as caught:
        asyncio.run(work())
    assert caught.value.code == "kube/certificate"
    assert modern.requests == []


def test_a_server_that_says_nothing(modern, many):
    silent = Request("GET", "/api/v1/configmaps", (("watch", "true"), ("resourceVersion", "999999")))
    with pytest.raises(ConnectError) as caught, many.open(silent, 0.05) as chunks:
        list(chunks)
    assert "says nothing" in caught.value.detail

    async def work(client):
        async with client.open(silent, 0.05) as chunks:
            async for _ in chunks:
                pass

    with pytest.raises(ConnectError) as caught:
        run(modern, work)
    assert "says nothing" in caught.value.detail


def test_a_task_that_is_cancelled_gives_its_stream_back(modern):
    async def work(client):
        async def follow():
            async for _ in client.watch("cm"):
                pass

        task = asyncio.create_task(follow())
        while not any("watch=true" in target for _, target in modern.requests):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.get("namespaces", "default")
        return len(modern.connections)

    assert run(modern, work) == 1


def test_threads_end_with_their_client(modern):
    with Client(modern.connection, http2=True) as client:
        client.get("namespaces", "default")
        assert any(thread.name == "kube http2" for thread in threading.enumerate())
    wait_for(lambda: not any(thread.name == "kube http2" for thread in threading.enumerate()))


def test_it_is_an_extra_that_nobody_pays_for_unasked(monkeypatch):
    code = (
        "import sys; from sloth.kube import Client, AsyncClient; print({'h2', 'google'} & {m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    monkeypatch.setitem(sys.modules, "h2.connection", None)
    for front in (Client, AsyncClient):
        with pytest.raises(UsageError) as caught:
            front(nowhere(), http2=True)
        assert (caught.value.code, "sloth-kubernetes[http2]" in caught.value.hint) == ("kube/no-http2", True)


def nowhere():
    """A connection that nothing is sent on."""
    from sloth.kube import Connection

    return Connection("https://127.0.0.1:1")


class Way:
    """A route: sockets to the server, counted."""

    server_name = "127.0.0.1"

    def __init__(self, url):
        self.port, self.dialled = int(url.rpartition(":")[2]), 0

    def dial(self, seconds):
        self.dialled += 1
        return socket.create_connection(("127.0.0.1", self.port), seconds)


def test_over_a_route(modern):
    way = Way(modern.url)
    connection = replace(modern.connection, server="https://far.example.org:6443", route=way)
    with Client(connection, policy=ONCE, http2=True) as client:
        for _ in range(3):
            client.get("namespaces", "default")
    assert (way.dialled, len(modern.requests)) == (1, 3)

    async def work():
        async with AsyncClient(connection, policy=ONCE, http2=True) as client:
            for _ in range(3):
                await client.get("namespaces", "default")

    asyncio.run(work())
    assert (way.dialled, len(modern.requests)) == (2, 6)


def test_an_informer_of_tasks(modern):
    async def work(client):
        async with AsyncInformer(client, "cm") as informer:
            await informer.synced(30)
            changes = informer.subscribe()
            await client.create(config("a"))
            event = await changes.take(30)
            return event.object["metadata"]["name"], len(modern.connections)

    assert run(modern, work) == ("a", 1)
