"""Equal reads made once, and never an answer from before one's own change."""

import asyncio
import threading

import pytest

from sloth.errors import ConnectError
from sloth.kube import AsyncClient, Client
from sloth.kube.retry import Limiter
from sloth.kube.sharing import AsyncFlights, Flights
from sloth.kube.wire import Answer, Request
from sloth.testing.kube import Fault
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config

READ = Request("GET", "/x")
WRITE = Request("PUT", "/x")


class Held:
    """Makes answers that wait until they are let go; counts them."""

    def __init__(self):
        self.begun, self.go, self.count = threading.Semaphore(0), threading.Event(), 0

    def __call__(self):
        self.count += 1
        self.begun.release()
        assert self.go.wait(60)
        return Answer(200, b"%d" % self.count)


def thread(work):
    got = []

    def run():
        try:
            got.append(work())
        except BaseException as error:
            got.append(error)

    made = threading.Thread(target=run)
    made.start()
    return made, got


def joined(flights, count):
    """Wait until so many reads have joined."""
    while flights.saved < count:
        threading.Event().wait(0.001)


def test_reads_that_are_under_way_are_joined():
    flights, make = Flights(), Held()
    threads = [thread(lambda: flights.carry(READ, make)) for _ in range(10)]
    joined(flights, 9)
    make.go.set()
    for each, _ in threads:
        each.join(60)
    assert [got for _, got in threads] == [[Answer(200, b"1")]] * 10
    assert flights.carry(READ, make) == Answer(200, b"2")  # nothing is kept


def test_other_headers_are_another_read():
    flights, make = Flights(), Held()
    one, _ = thread(lambda: flights.carry(READ, make))
    two, _ = thread(lambda: flights.carry(READ.with_headers({"Accept": "other"}), make))
    make.begun.acquire(timeout=60)
    assert make.begun.acquire(timeout=60)
    make.go.set()
    one.join(60)
    two.join(60)
    assert flights.saved == 0


@pytest.mark.parametrize("works", [True, False])
def test_after_ones_own_change_nothing_from_before_is_joined(works):
    flights, make = Flights(), Held()
    early, _ = thread(lambda: flights.carry(READ, make))
    assert make.begun.acquire(timeout=60)

    def change():
        if not works:
            raise ConnectError("kube/unreachable", "x", hint="x")  # it may have been done all the same
        return Answer(200)

    if works:
        flights.carry(WRITE, change)
    else:
        with pytest.raises(ConnectError):
            flights.carry(WRITE, change)
    late, got = thread(lambda: flights.carry(READ, make))
    assert make.begun.acquire(timeout=60)
    make.go.set()
    early.join(60)
    late.join(60)
    assert got == [Answer(200, b"2")]
    assert flights.saved == 0


def test_failures_are_shared_and_interruptions_are_not():
    flights, make = Flights(), Held()

    def failing():
        make()
        raise ConnectError("kube/unreachable", "x", hint="x")

    threads = [thread(lambda: flights.carry(READ, failing)) for _ in range(2)]
    joined(flights, 1)
    make.go.set()
    for each, got in threads:
        each.join(60)
        assert isinstance(got[0], ConnectError)

    make = Held()

    def interrupted():
        make()
        raise KeyboardInterrupt

    first, got = thread(lambda: flights.carry(READ, interrupted))
    assert make.begun.acquire(timeout=60)
    second, other = thread(lambda: flights.carry(READ, lambda: Answer(204)))
    joined(flights, 2)
    make.go.set()
    first.join(60)
    second.join(60)
    assert isinstance(got[0], KeyboardInterrupt)
    assert other == [Answer(204)]


def test_tasks_share_and_one_that_is_cancelled_leaves_the_others():
    async def whole():
        flights, go, made = AsyncFlights(), asyncio.Event(), []

        async def make():
            made.append(1)
            await go.wait()
            return Answer(200)

        tasks = [asyncio.create_task(flights.carry(READ, make)) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        go.set()
        got = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(got[0], asyncio.CancelledError)
        assert got[1:] == [Answer(200)] * 4
        assert (len(made), flights.saved) == (1, 4)
        await flights.carry(WRITE, make)
        await flights.carry(READ, make)
        assert len(made) == 3

    asyncio.run(whole())


def test_a_client_that_shares_reads(fake):
    go, arrived = threading.Event(), threading.Event()

    def hold(method, target):
        if target.endswith("/configmaps/a"):
            arrived.set()
            go.wait(60)
        return False

    with Client(fake.connection, policy=QUICK, share_reads=True) as client:
        client.create(config("a"))
        fake.faults.append(Fault(when=hold))
        threads = [thread(lambda: client.get("cm", "a")["metadata"]["name"])]
        assert arrived.wait(60)
        threads += [thread(lambda: client.get("cm", "a")["metadata"]["name"]) for _ in range(4)]
        joined(client.wire._flights, 4)
        go.set()
        for each, got in threads:
            each.join(60)
            assert got == ["a"]
    assert len([target for _, target in fake.requests if target.endswith("/configmaps/a")]) == 1


def test_the_async_front_shares_too(fake):
    async def work():
        async with AsyncClient(fake.connection, policy=QUICK, share_reads=True) as client:
            await client.create(config("a"))
            got = await asyncio.gather(*(client.get("cm", "a") for _ in range(5)))
            return {item["metadata"]["name"] for item in got}

    assert asyncio.run(work()) == {"a"}
    assert len([target for _, target in fake.requests if target.endswith("/configmaps/a")]) == 1


def test_the_limiter_is_right_with_many_threads():
    limiter = Limiter(rate=1, burst=1000, now=lambda: 0.0)
    threads = [threading.Thread(target=lambda: [limiter.reserve() for _ in range(200)]) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert limiter.reserve() == 601  # 1600 were taken, each of them once
