"""A bad day of server and network, over real sockets: nothing is lost, nothing told twice, nobody waits for ever."""

import json
import socket
import threading
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth.errors import ConnectError, InternalError, KubernetesError
from sloth.kube import ApiError, Client, Informer
from sloth.kube.connection import Connection
from sloth.kube.retry import Policy
from sloth.testing.kube import FakeKube, Fault
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config
from tests.kube.test_faults import is_watch

PATIENT = Policy(attempts=200, first=0.001, longest=0.01)


def started(informers):
    for each in informers:
        each.__enter__()
    for each in informers:
        each.synced(60)
    return [each.subscribe() for each in informers]


def until(subscription, name):
    """Events up to the first of this name, as (type, name)."""
    seen = []
    while not seen or seen[-1][1] != name:
        event = subscription.take(60)
        assert event, seen
        seen.append((event.type, event.object["metadata"]["name"]))
    return seen


def test_fifty_informers_outlive_a_restart_with_a_compaction(fake):
    """What was deleted while the server was away is told as deleted; what stayed is not told again."""
    with Client(fake.connection, policy=PATIENT, rate=1e6, burst=10**6) as client:
        for name in ("stays", "goes", "changes"):
            client.create(config(name, n="0"))
        informers = [Informer(client, "cm", "default") for _ in range(50)]
        try:
            subscriptions = started(informers)
            for each in subscriptions:
                assert {each.take(60).object["metadata"]["name"] for _ in range(3)} == {"stays", "goes", "changes"}

            def meanwhile():
                maps = fake.state.resource("", "v1", "configmaps")
                fake.state.delete(maps, "default", "goes", {})
                fake.state.update(maps, "default", "changes", config("changes", n="1"), "somebody")
                fake.state.compact()

            fake.restart(meanwhile)
            client.create(config("last"))
            for each in subscriptions:
                assert sorted(until(each, "last")) == [("ADDED", "last"), ("DELETED", "goes"), ("MODIFIED", "changes")]
            for each in informers:
                assert {item["metadata"]["name"] for item in each.store.all()} == {"stays", "changes", "last"}
        finally:
            for each in informers:
                each.stop()


def test_a_storm_of_429_from_many_threads(fake):
    with Client(fake.connection, policy=PATIENT, rate=1e6, burst=10**6) as client:
        client.create(config("a"))
        fake.faults += [Fault(status=429, headers={"Retry-After": "0"}) for _ in range(300)]
        got = []
        threads = [
            threading.Thread(target=lambda: got.extend(client.get("cm", "a")["metadata"]["name"] for _ in range(5)))
            for _ in range(20)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert got == ["a"] * 100
    assert not fake.faults


def test_a_storm_that_does_not_end_is_told(fake, fake_client):
    fake.faults += [Fault(status=429, headers={"Retry-After": "0"}) for _ in range(5)]
    with pytest.raises(ApiError) as caught:
        fake_client.list("namespaces")
    assert caught.value.code == "kube/busy"


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_connection_cut_at_any_byte_of_a_watch(data):
    """Over a socket, as in test_watch without one. The frames are of two objects; the cut is anywhere in them."""
    with FakeKube() as server, Client(server.connection, policy=QUICK) as client:
        kind = server.state.resource("", "v1", "configmaps")
        client.list("cm")
        version = str(server.state.version)
        client.create(config("a", text='ü\n"}{'))
        client.create(config("b"))
        length = sum(
            len(json.dumps({"type": "ADDED", "object": change.object}, separators=(",", ":"))) + 1
            for change in server.state.history
            if change.version > int(version)
        )
        from sloth.kube.watch import Watch

        machine = Watch(kind, "default", policy=QUICK)
        machine.listed([], version)
        server.faults += [Fault(when=is_watch, cut=cut) for cut in data.draw(st.lists(st.integers(0, length), max_size=3))]
        seen, stop = [], threading.Event()
        for event in client.follow(machine, stop):
            seen.append((event.type, event.object["metadata"]["name"]))
            if len(seen) == 2:
                stop.set()
        assert seen == [("ADDED", "a"), ("ADDED", "b")]


class Raw:
    """A server that does with each connection what `script` says: it gets the socket, the request is read already."""

    def __init__(self, *scripts):
        self.scripts, self.threads, self.count = list(scripts), [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.held = []

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *words):
        self.listener.close()
        for each in self.held:
            each.close()

    def serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.held.append(near)
            self.count += 1
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            threading.Thread(target=self.play, args=(near, script), daemon=True).start()

    def play(self, near, script):
        with suppress(OSError):  # the client was content and has gone, and the test with it
            near.recv(65536)
            script(near)

    @property
    def connection(self):
        return Connection(f"http://127.0.0.1:{self.listener.getsockname()[1]}")


def answer(body):
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data


def listing(version, *names):
    items = [{"metadata": {"name": name, "namespace": "x", "uid": name, "resourceVersion": "1"}} for name in names]
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}


def frame(kind, name, version):
    item = {"metadata": {"name": name, "namespace": "x", "uid": name, "resourceVersion": str(version)}}
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def closing(data, how=socket.SHUT_RDWR):
    def script(near):
        near.sendall(data)
        near.shutdown(how)

    return script


def holding(data):
    return lambda near: near.sendall(data)


def watched(server, count, monkeypatch=None):
    """The first events of a watch on what `server` plays."""
    seen = []
    with Client(server.connection, policy=QUICK) as client:
        for event in client.watch("pods", "x"):
            seen.append((event.type, event.object["metadata"]["name"]))
            if len(seen) == count:
                return seen
    return seen


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_stream_that_is_half_closed_is_opened_anew(how):
    first = HEAD + chunk(frame("ADDED", "a", 2)) + b"50\r\n{half a frame"
    with Raw(closing(answer(listing("1"))), closing(first, how), holding(HEAD + chunk(frame("ADDED", "b", 3)))) as server:
        assert watched(server, 2) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_stream_on_which_nothing_comes_any_more_counts_as_dead(monkeypatch):
    """A server that vanished without a word: no FIN, no reset."""
    monkeypatch.setattr("sloth.kube.client.SILENCE", 0.1)
    with Raw(
        closing(answer(listing("1"))),
        holding(HEAD + chunk(frame("ADDED", "a", 2))),
        holding(HEAD + chunk(frame("ADDED", "b", 3))),
    ) as server:
        assert watched(server, 2) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("sloth.kube.direct.carrier.READ", 0.1)
    with Raw(holding(b"")) as server, Client(server.connection, policy=Policy(attempts=2, first=0.001)) as client:
        with pytest.raises(ConnectError) as caught:
            client.list("pods", "x")
        assert caught.value.code == "kube/unreachable"
        assert server.count == 2


def test_a_server_that_sends_byte_by_byte_is_waited_for():
    def slowly(near):
        for byte in answer(listing("1", "a", "b")):
            near.sendall(bytes([byte]))
        near.shutdown(socket.SHUT_RDWR)

    with Raw(slowly) as server, Client(server.connection, policy=QUICK) as client:
        assert len(client.list("pods", "x")) == 2


def test_frames_in_pieces_of_any_size_and_many_in_one():
    frames = b"".join(frame("ADDED", f"p{number}", number + 2) for number in range(200))

    def pieces(near):
        near.sendall(HEAD)
        at = 0
        for size in [1, 2, 3, 5, 8, 1000, 10_000, len(frames)]:
            near.sendall(chunk(frames[at : at + size])) if frames[at : at + size] else None
            at += size

    with Raw(closing(answer(listing("1"))), pieces) as server:
        assert watched(server, 200) == [("ADDED", f"p{number}") for number in range(200)]


def test_a_list_of_twenty_megabytes(fake):
    text = "x" * 10_000
    body = json.dumps(
        {**listing("7"), "items": [{"metadata": {"name": f"p{n}", "uid": str(n)}, "text": text} for n in range(2000)]}
    ).encode()
    assert len(body) > 20_000_000
    fake.faults.append(Fault(status=200, body=body))
    with Client(fake.connection, policy=QUICK) as client:
        tracemalloc.start()
        try:
            items = client.list("pods", "x", limit=0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert [item["metadata"]["name"] for item in items] == [f"p{n}" for n in range(2000)]
    assert peak < 4 * len(body)


def test_a_frame_of_twenty_megabytes_is_put_together_once():
    """Not copied anew with every piece that comes."""
    item = {"metadata": {"name": "big", "resourceVersion": "2"}, "text": "x" * 20_000_000}
    big = json.dumps({"type": "ADDED", "object": item}).encode() + b"\n"

    def script(near):
        near.sendall(HEAD)
        for at in range(0, len(big), 65536):
            near.sendall(chunk(big[at : at + 65536]))

    with Raw(closing(answer(listing("1"))), script) as server:
        begin = time.process_time()
        assert watched(server, 1) == [("ADDED", "big")]
        assert time.process_time() - begin < 1.5  # copies with every piece take three times that


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": [1], "items": []},
        {"metadata": {}, "items": {"a": 1}},
        {"metadata": {}, "items": ["text"]},
        {"metadata": {}, "items": [None]},
        {"metadata": {}, "items": [{"metadata": "text"}]},
        {"kind": 7, "items": [[]]},
    ],
)
def test_a_list_with_what_is_no_object_is_no_list(fake, fake_client, body):
    fake.faults.append(Fault(status=200, body=json.dumps(body).encode()))
    with pytest.raises(KubernetesError) as caught:
        fake_client.list("pods")
    assert caught.value.code == "kube/not-an-api"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "ADDED", "object": {}},
        {"type": "ADDED", "object": {"metadata": None}},
        {"type": "MODIFIED", "object": {"metadata": "text"}},
        {"type": "ERROR", "object": {"code": "many"}},
        {"type": "ERROR", "object": {"details": [1]}},
    ],
)
def test_a_frame_that_is_no_object_is_asked_for_again(wrong):
    bad = json.dumps(wrong).encode() + b"\n"
    with Raw(
        closing(answer(listing("1"))),
        closing(HEAD + chunk(frame("ADDED", "a", 2) + bad)),
        holding(HEAD + chunk(frame("ADDED", "b", 3))),
    ) as server:
        assert watched(server, 2) == [("ADDED", "a"), ("ADDED", "b")]


def test_an_indexer_that_fails_is_told_and_nobody_waits_for_ever(fake, fake_client):
    fake_client.create(config("a"))
    with Informer(fake_client, "cm", indexers={"x": lambda item: item["nothing"]}) as informer:
        with pytest.raises(InternalError) as caught:
            informer.synced(60)
        assert caught.value.code == "kube/informer-failed"
        assert "KeyError" in caught.value.detail
        assert len(list(informer.subscribe())) == 1  # and it ends


def test_a_subscriber_that_never_reads_holds_nobody_up(fake, fake_client):
    with Informer(fake_client, "cm", "default") as informer:
        informer.synced(60)
        lazy, diligent = informer.subscribe(limit=3), informer.subscribe()
        for number in range(10):
            fake_client.create(config(f"c{number}"))
        until(diligent, "c9")
        assert lazy.lagged > 0
        assert lazy.take(0) is None
        assert lazy.behind()
        assert len(informer.store) == 10
