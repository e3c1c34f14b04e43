"""What an informer knows, and subscribers that cannot hold it up."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.kube.resource import key_of
from sloth.kube.store import Store, Subscription
from sloth.kube.watch import Event


def item(name, version, label="x"):
    return {"metadata": {"name": name, "resourceVersion": str(version)}, "label": label}


@st.composite
def histories(draw):
    """Events as a watch tells them: made before changed or deleted."""
    alive, events = set(), []
    for version in range(draw(st.integers(0, 15))):
        name, label = draw(st.sampled_from("abc")), draw(st.sampled_from("xy"))
        gone = name in alive and draw(st.booleans())
        events.append(Event("DELETED" if gone else "MODIFIED" if name in alive else "ADDED", item(name, version, label)))
        (alive.discard if gone else alive.add)(name)
    return events


@given(histories())
def test_a_store_and_its_indexes_are_the_sum_of_the_events(events):
    store, truth = Store({"label": lambda each: [each["label"]]}), {}
    for event in events:
        store.apply(event)
        truth.pop(key_of(event.object), None)
        if event.type != "DELETED":
            truth[key_of(event.object)] = event.object
    assert {key_of(each): each for each in store.all()} == truth
    assert len(store) == len(truth)
    for label in "xy":
        assert [key_of(each) for each in store.by("label", label)] == sorted(
            key for key, each in truth.items() if each["label"] == label
        )


@given(histories(), st.lists(st.booleans(), max_size=30))
def test_a_subscriber_that_reads_when_it_likes_comes_to_the_same(events, reads):
    """Whatever was merged on the way, what it was told adds up, and no object is told of twice as new."""
    queue, seen, truth = Subscription(100), {}, {}

    def read():
        event = queue.take(0)
        if event is None:
            return False
        key = key_of(event.object)
        assert (key in seen) == (event.type != "ADDED")
        seen.pop(key, None)
        if event.type != "DELETED":
            seen[key] = event.object
        return True

    for event in events:
        queue.put(event)
        truth.pop(key_of(event.object), None)
        if event.type != "DELETED":
            truth[key_of(event.object)] = event.object
        if reads and reads.pop():
            read()
    while read():
        pass
    assert seen == truth


def test_a_subscriber_that_never_reads_costs_a_bounded_amount():
    queue = Subscription(10)
    for number in range(11):
        queue.put(Event("ADDED", item(f"n{number}", number)))
    assert queue.take(0) is None
    assert queue.behind()
    assert not queue.behind()
    queue.put(Event("ADDED", item("later", 99)))
    assert queue.take(0).object["metadata"]["name"] == "later"
    assert queue.lagged == 1


def test_many_changes_of_one_object_become_one():
    queue = Subscription(10)
    for version in range(1000):
        queue.put(Event("MODIFIED", item("a", version)))
    assert queue.take(0).object["metadata"]["resourceVersion"] == "999"
    assert queue.take(0) is None
    assert queue.merged == 999


@pytest.mark.parametrize("first", [["ADDED"], ["ADDED", "DELETED"]])
def test_changes_that_come_without_a_word_are_seen_by_one_who_waits_for_ever(first):
    """Within moments of being woken, a reader is not woken again; it looks by itself, and if the first was nothing, too."""
    queue, seen = Subscription(10), []
    reader = threading.Thread(target=lambda: seen.extend(key_of(event.object) for event in queue), daemon=True)
    reader.start()
    for kind in first:
        queue.put(Event(kind, item("first", 1)))
    for number in range(5):
        queue.put(Event("ADDED", item(f"n{number}", number)))
    while len(set(seen) - {"first"}) < 5:  # nothing more is put: it has to come to an end by itself
        reader.join(0.01)
        assert reader.is_alive()
    queue.close()
    reader.join(60)
    assert [each for each in seen if each != "first"] == [f"n{number}" for number in range(5)]


def test_a_closed_queue_gives_what_it_has_and_ends():
    queue = Subscription(10)
    queue.put(Event("ADDED", item("a", 1)))
    queue.close()
    assert [key_of(event.object) for event in queue] == ["a"]
