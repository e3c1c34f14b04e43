"""Who is upgraded together."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import UsageError
from sloth.upgrade.batches import Pool, batches, most, seconds, size

NAMES = [f"work-{n}" for n in range(1, 501)]


@pytest.mark.parametrize(
    ("batch", "workers", "count"),
    [("10%", 500, 50), ("10%", 497, 50), ("25%", 2, 1), ("1%", 3, 1), ("100%", 7, 7), ("3", 500, 3), ("50%", 0, 1)],
)
def test_a_percentage_is_of_all_workers_rounded_up(batch, workers, count):
    assert size(batch, workers) == count


@pytest.mark.parametrize("batch", ["0%", "101%", "0", "", "half", "25 %", "-1"])
def test_what_is_no_batch_is_refused(batch):
    with pytest.raises(UsageError) as caught:
        size(batch, 10)
    assert caught.value.code == "upgrade/batch"


def test_the_canary_comes_alone_and_then_fifty_at_a_time():
    found = batches(NAMES, 500, "10%", canary=True)
    assert [len(group) for group in found] == [1, *[50] * 9, 49]
    assert found[0] == ("work-1",)
    assert [len(group) for group in batches(NAMES, 500, "10%", canary=False)] == [50] * 10


def test_a_resumed_upgrade_has_had_its_canary():
    assert [len(group) for group in batches(NAMES[1:], 500, "10%", canary=True)] == [*[50] * 9, 49]
    assert batches([], 500, "10%", canary=True) == []
    assert batches(["work-1"], 1, "25%", canary=True) == [("work-1",)]


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 100), st.booleans())
def test_everybody_comes_once_and_in_order(todo, more, percent, canary):
    names = NAMES[:todo]
    found = batches(names, todo + more, f"{percent}%", canary=canary)
    assert [name for group in found for name in group] == names
    assert all(0 < len(group) <= size(f"{percent}%", todo + more) for group in found)


POOLS = {name: Pool(name="odd" if number % 2 else "even", limit=3) for number, name in enumerate(NAMES)}


@pytest.mark.parametrize(("share", "nodes", "count"), [("10%", 29, 2), ("10%", 5, 1), ("100%", 5, 5), ("2", 5, 2), ("99%", 0, 1)])
def test_what_may_be_away_is_of_the_pool_rounded_down(share, nodes, count):
    assert most(share, nodes) == count


def test_who_is_away_already_takes_room_and_one_always_may_go():
    assert [Pool(name="p", limit=3, away=tuple("abcd"[:n])).room for n in range(5)] == [3, 2, 1, 1, 1]


def test_a_pool_narrows_its_own_nodes_and_no_others():
    narrow = dict.fromkeys(NAMES[:4], Pool(name="db", limit=1))
    found = batches(NAMES[:10], 10, "50%", canary=False, pools=narrow)
    assert found == [("work-1", *NAMES[4:8]), ("work-2", *NAMES[8:10]), ("work-3",), ("work-4",)]


@given(st.integers(1, 60), st.integers(1, 100), st.booleans(), st.integers(1, 9), st.integers(0, 4))
def test_no_group_has_more_of_a_pool_than_may_be_away(todo, percent, canary, limit, away):
    pools = {name: replace(POOLS[name], limit=limit, away=tuple("abcd"[:away])) for name in NAMES[:todo]}
    found = batches(NAMES[:todo], todo, f"{percent}%", canary=canary, pools=pools)
    assert sorted(name for group in found for name in group) == sorted(NAMES[:todo])
    for group in found:
        assert 0 < len(group) <= size(f"{percent}%", todo)
        for pool in ("odd", "even"):
            assert sum(pools[name].name == pool for name in group) <= max(1, limit - away)


def test_durations():
    assert [seconds(text) for text in ("30s", "1m", "1h30m", "2m5s", "0s")] == [30, 60, 5400, 125, 0]
    for text in ("", "1", "m", "1d"):
        with pytest.raises(ValueError, match="no duration"):
            seconds(text)
