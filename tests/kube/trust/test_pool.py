"""The pool of clients: one for each cluster and credentials, for as long as it is of use."""

import threading
from dataclasses import replace

import pytest

from sloth.errors import ConnectError
from sloth.kube.connection import Connection, ExecPlugin, Impersonation
from sloth.kube.pool import Clients
from sloth.kube.retry import Policy
from sloth.model.secret import Secret
from sloth.testing.kube import FakeKube, Fault
from tests.kube.test_contract import config

ONCE = Policy(attempts=1)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pool(clock):
    made = Clients(policy=ONCE, now=clock)
    yield made
    made.close()


def given(pool, connection):
    with pool.use(connection) as client:
        return client


BASE = Connection("https://h", token=Secret("token-of-a-user"))


@pytest.mark.parametrize(
    "change",
    [
        {"server": "https://g"},
        {"ca": b"other"},
        {"token": Secret("token-of-another")},
        {"token": None},
        {"acting_as": Impersonation("jo")},
        {"proxy": "http://127.0.0.1:1"},
        {"tls_server_name": "x"},
        {"plugin": ExecPlugin("x", cluster_config={"a": [1]})},
        {"client_key": Secret("key-of-a-client")},
        {"namespace": "other"},
    ],
)
def test_whatever_differs_makes_another_key(change):
    assert replace(BASE, **change).key() != BASE.key()
    assert replace(BASE, **change).key() == replace(BASE, **change).key()
    assert replace(BASE, **change).key() != replace(BASE, **change).cluster_id()


def test_who_asks_again_gets_the_same(pool, fake):
    assert given(pool, fake.connection) is given(pool, replace(fake.connection))
    assert given(pool, fake.connection) is not given(pool, replace(fake.connection, token=Secret("another-token")))
    assert (pool.counts.made, pool.counts.hits) == (2, 2)


def test_threads_that_ask_at_once_get_one(clock):
    from sloth.kube import Client

    made, begin = [], threading.Barrier(8)

    def slow(*words, **more):
        made.append(1)
        threading.Event().wait(0.05)
        return Client(*words, **more)

    pool, got = Clients(now=clock, make=slow), []

    def ask():
        begin.wait(60)
        got.append(given(pool, BASE))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(made), len(set(map(id, got)))) == (1, 1)
    pool.close()


def test_unused_and_old_ones_go(pool, fake, clock):
    first = given(pool, fake.connection)
    clock.now = 599
    assert given(pool, fake.connection) is first
    clock.now = 599 + 601
    second = given(pool, fake.connection)
    assert second is not first
    for _ in range(7):  # in use all the time, and one day old
        clock.now += 599
        third = given(pool, fake.connection)
    assert third is not second
    assert pool.counts.evicted == {"idle": 1, "age": 1}
    clock.now += 10_000
    pool.sweep()
    assert len(pool) == 0


def test_one_that_is_in_use_is_not_closed_under_its_user(pool, fake, clock):
    closed = []
    with pool.use(fake.connection) as client:
        close = client.close
        client.close = lambda: (closed.append(1), close())
        clock.now = 100_000
        with pool.use(fake.connection) as other:
            assert other is not client
        assert closed == []
        assert client.get("namespaces", "default")
    assert closed == [1]


def test_one_whose_requests_keep_failing_is_replaced(pool, fake):
    with pool.use(fake.connection) as client:
        fake.faults += [Fault(cut=0)] * 2
        for _ in range(2):
            with pytest.raises(ConnectError):
                client.list("namespaces")
        client.list("namespaces")  # it came back
        fake.faults += [Fault(cut=0)] * 3
        for _ in range(3):
            with pytest.raises(ConnectError):
                client.list("namespaces")
    assert given(pool, fake.connection) is not client
    assert pool.counts.evicted == {"failing": 1}


def test_a_refusal_is_no_sign_of_bad_health(pool, fake):
    from sloth.kube import ApiError

    with pool.use(fake.connection) as client:
        for _ in range(5):
            with pytest.raises(ApiError):
                client.get("cm", "nothing")
    assert given(pool, fake.connection) is client


def test_the_one_that_was_unused_for_longest_makes_way(fake, clock):
    pool = Clients(most=2, now=clock)
    connections = [replace(fake.connection, namespace=name) for name in "abc"]
    clients = []
    for connection in connections:
        clock.now += 1
        clients.append(given(pool, connection))
    assert len(pool) == 2
    assert given(pool, connections[2]) is clients[2]
    assert given(pool, connections[1]) is clients[1]
    assert pool.counts.evicted == {"full": 1}
    pool.evict(connections[1])
    assert given(pool, connections[1]) is not clients[1]
    pool.close()


def test_prefetching_connects_and_tells_who_does_not_answer(pool, fake):
    with FakeKube() as away:
        nowhere = away.connection
    with FakeKube() as second:
        failed = pool.prefetch([fake.connection, second.connection, nowhere])
        assert set(failed) == {nowhere.key()}
        assert failed[nowhere.key()].code == "kube/unreachable"
        before = len(second.requests)
        with pool.use(second.connection) as client:
            client.create(config("a"))
        assert len(second.requests) == before + 1
