"""What an informer promises, of both fronts: no event lost, gaps told as deletions, indexes, queues that hold nobody up."""

import pytest

from sloth.errors import ConnectError, InternalError
from sloth.kube import ApiError
from sloth.kube.resource import key_of
from sloth.testing.kube import Fault
from tests.kube.blocking import Fronts, Loop
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config

BUSY = {"policy": QUICK, "rate": 1e6, "burst": 10**6}


@pytest.fixture(params=["sync", "async"])
def front(request):
    with Loop() as loop:
        yield Fronts(request.param, loop)


@pytest.fixture
def faced(front, fake):
    """A client of either front, of the fake server."""
    with front.client(fake.connection, **BUSY) as made:
        yield made


@pytest.fixture
def either(front, server):
    """A client of either front, of either server."""
    with front.client(server.connection, **BUSY) as made:
        yield made


def until(changes, kind, name):
    """Events up to this one, as (type, name)."""
    seen = []
    while not seen or seen[-1] != (kind, name):
        event = changes.take(60)
        assert event, seen
        seen.append((event.type, event.object["metadata"]["name"]))
    return seen


def is_watch(method, target):
    return "watch=true" in target


def test_it_follows_and_indexes(front, either, client, space):
    client.create(config("a", colour="red"), space)
    index = {"colour": lambda item: [(item.get("data") or {}).get("colour", "")]}
    with front.informer(either, "cm", space, indexers=index) as informer:
        informer.synced(30)
        changes = informer.subscribe()
        until(changes, "ADDED", "a")
        client.create(config("b", colour="red"), space)
        until(changes, "ADDED", "b")
        assert [key_of(item) for item in informer.store.by("colour", "red")] == [f"{space}/a", f"{space}/b"]
        client.patch("cm", "b", {"data": {"colour": "blue"}}, space)
        until(changes, "MODIFIED", "b")
        client.delete("cm", "a", space)
        until(changes, "DELETED", "a")
        assert informer.store.by("colour", "red") == [] and informer.store.get(f"{space}/a") is None
        assert [key_of(item) for item in informer.store.by("colour", "blue")] == [f"{space}/b"]
    assert changes.take() is None  # closed, and its reader comes to an end


def test_no_event_is_lost_and_what_comes_late_hears_of_all(front, either, client, space):
    """By resource version: the last that is told of each object is the last that the server has."""
    with front.informer(either, "cm", space, labels="mine=1") as informer:
        informer.synced(30)
        early = informer.subscribe()
        for number in range(30):
            item = config(f"c{number}", n="0")
            client.create({**item, "metadata": {**item["metadata"], "labels": {"mine": "1"}}}, space)
        for turn in range(3):
            for number in range(0, 30, turn + 1):
                client.patch("cm", f"c{number}", {"data": {"n": str(turn + 1)}}, space)
        for number in range(0, 30, 5):
            client.delete("cm", f"c{number}", space)
        truth = {key_of(item): item["metadata"]["resourceVersion"] for item in client.list("cm", space, labels="mine=1")}
        last = client.create({**config("last"), "metadata": {"name": "last", "labels": {"mine": "1"}}}, space)
        truth[f"{space}/last"] = last["metadata"]["resourceVersion"]
        for changes in (early, informer.subscribe()):
            told, name = {}, ""
            while name != "last":
                event = changes.take(60)
                assert event
                name, key = event.object["metadata"]["name"], key_of(event.object)
                assert (key in told) == (event.type != "ADDED")
                told.pop(key, None)
                if event.type != "DELETED":
                    told[key] = event.object["metadata"]["resourceVersion"]
            assert told == truth
        assert {key_of(item): item["metadata"]["resourceVersion"] for item in informer.store.all()} == truth


def test_it_outlives_cuts_anywhere(front, faced, fake, fake_client):
    fake_client.create(config("a"))
    with front.informer(faced, "cm", "default") as informer:
        informer.synced(60)
        changes = informer.subscribe()
        until(changes, "ADDED", "a")
        for number, cut in enumerate(range(0, 300, 7)):
            fake.faults.append(Fault(when=is_watch, cut=cut))
            fake_client.create(config(f"c{number}"))
            until(changes, "ADDED", f"c{number}")
        assert len(informer.store) == 44


def test_what_went_in_a_gap_is_told_as_deleted_and_what_stayed_is_not_told_again(front, faced, fake, fake_client):
    for name in ("stays", "goes", "changes"):
        fake_client.create(config(name, n="0"))
    with front.informer(faced, "cm", "default") as informer:
        informer.synced(60)
        changes = informer.subscribe()
        assert {changes.take(60).object["metadata"]["name"] for _ in range(3)} == {"stays", "goes", "changes"}

        def meanwhile():
            maps = fake.state.resource("", "v1", "configmaps")
            fake.state.delete(maps, "default", "goes", {})
            fake.state.update(maps, "default", "changes", config("changes", n="1"), "somebody")
            fake.state.compact()

        fake.restart(meanwhile)
        fake_client.create(config("last"))
        assert sorted(until(changes, "ADDED", "last")) == [("ADDED", "last"), ("DELETED", "goes"), ("MODIFIED", "changes")]
        assert {item["metadata"]["name"] for item in informer.store.all()} == {"stays", "changes", "last"}


def test_a_subscriber_that_never_reads_holds_nobody_up(front, faced, fake_client):
    with front.informer(faced, "cm", "default") as informer:
        informer.synced(60)
        lazy, diligent = informer.subscribe(limit=3), informer.subscribe()
        for number in range(10):
            fake_client.create(config(f"c{number}"))
        until(diligent, "ADDED", "c9")
        assert lazy.lagged > 0
        assert lazy.take(0) is None
        assert lazy.behind() and not lazy.behind()
        assert len(informer.store) == 10
        fake_client.create(config("later"))
        until(diligent, "ADDED", "later")
        until(lazy, "ADDED", "later")


def test_many_changes_of_one_object_become_one(front, faced, fake_client):
    fake_client.create(config("a", n="0"))
    with front.informer(faced, "cm", "default") as informer:
        informer.synced(60)
        lazy, diligent = informer.subscribe(), informer.subscribe()
        for number in range(1, 6):
            fake_client.patch("cm", "a", {"data": {"n": str(number)}})
        fake_client.create(config("last"))
        until(diligent, "ADDED", "last")
        event = lazy.take(60)
        assert (event.type, event.object["data"]["n"]) == ("ADDED", "5")
        assert lazy.merged == 5
        assert lazy.take(60).object["metadata"]["name"] == "last"
        assert lazy.take(0) is None


def test_iterating_ends_with_the_informer(front, faced, fake_client):
    fake_client.create(config("a"))
    with front.informer(faced, "cm", "default") as informer:
        informer.synced(60)
        changes = informer.subscribe()
    assert [key_of(event.object) for event in changes] == ["default/a"]
    assert [key_of(event.object) for event in informer.subscribe()] == ["default/a"]  # and of one that came too late


def test_what_ends_it_is_told(front, faced, fake, fake_client):
    fake_client.create(config("a"))
    with front.informer(faced, "cm", indexers={"x": lambda item: item["nothing"]}) as informer:
        with pytest.raises(InternalError) as caught:
            informer.synced(60)
        assert caught.value.code == "kube/informer-failed" and "KeyError" in caught.value.detail
        assert informer.failure is caught.value
        assert len(list(informer.subscribe())) == 1  # and it ends
    fake.tokens = {}
    with front.informer(faced, "pods") as informer, pytest.raises(ApiError) as refused:
        informer.synced(60)
    assert refused.value.status == 401


def test_a_first_list_that_does_not_come(front, fake):
    fake.faults += [Fault(status=503, headers={"Retry-After": "3600"})]
    with front.client(fake.connection, policy=QUICK) as client, front.informer(client, "cm") as informer:
        fake.faults += [Fault(status=503)] * 1000
        with pytest.raises(ConnectError) as caught:
            informer.synced(0)
        assert caught.value.code == "kube/not-synced"
        fake.faults.clear()


def test_a_long_list_leaves_others_their_turn(front, faced, fake):
    """Ten times as many objects as a subscriber's queue takes in at once, read while they come."""
    kind = fake.state.resource("", "v1", "configmaps")
    with front.informer(faced, "cm", "default") as informer:
        informer.synced(60)
        changes = informer.subscribe(limit=500)
        with fake.state.lock:
            for number in range(3000):
                fake.state.create(kind, "default", config(f"c{number:04}"), "test")
        seen = set()
        while "c2999" not in seen:
            event = changes.take(60)
            if event is None:
                assert changes.behind()
                seen |= {item["metadata"]["name"] for item in informer.store.all()}
            else:
                seen.add(event.object["metadata"]["name"])
        assert len(seen) == 3000
