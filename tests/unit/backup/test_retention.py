"""Retention: what stays, for every set of backups and every wish."""

from hypothesis import given
from hypothesis import strategies as st

from sloth.backup.retention import DAY, HOUR, WEEK, keep

TIMES = st.lists(st.integers(0, 60 * WEEK), unique=True, max_size=40)
WISH = st.fixed_dictionaries({name: st.integers(0, 6) for name in ("last", "hourly", "daily", "weekly")})


@st.composite
def situations(draw):
    taken = {f"shop-{number:03d}": at for number, at in enumerate(draw(TIMES))}
    return taken, draw(st.sets(st.sampled_from(sorted(taken)))) if taken else set(), draw(WISH)


def newest(names, taken):
    return max(names, key=lambda name: taken[name])


@given(situations())
def test_the_newest_and_the_newest_verified_one_always_stay(situation):
    taken, verified, wish = situation
    kept = keep(taken, verified, wish)
    assert kept <= set(taken)
    if taken:
        assert newest(taken, taken) in kept
    if verified:
        assert newest(verified, taken) in kept


@given(situations())
def test_pruning_twice_is_pruning_once(situation):
    taken, verified, wish = situation
    kept = keep(taken, verified, wish)
    again = {name: taken[name] for name in kept}
    assert keep(again, verified & kept, wish) == kept


@given(situations())
def test_never_more_than_asked_for(situation):
    taken, verified, wish = situation
    if any(wish.values()):
        assert len(keep(taken, verified, wish)) <= max(1, wish["last"]) + 1 + wish["hourly"] + wish["daily"] + wish["weekly"]


@given(situations(), st.integers(1, 6))
def test_a_larger_wish_keeps_no_less(situation, more):
    taken, verified, wish = situation
    if any(wish.values()):
        larger = {**wish, "daily": wish["daily"] + more, "last": wish["last"] + more}
        assert keep(taken, verified, wish) <= keep(taken, verified, larger)


def test_no_wish_keeps_everything():
    taken = {"a": 1, "b": 2, "c": 3}
    assert keep(taken, (), {"last": 0, "hourly": 0, "daily": 0, "weekly": 0}) == set(taken)


def test_one_of_each_hour_day_and_week_the_newest_of_it():
    monday = 4 * DAY  # 1970-01-05
    taken = {
        "monday-early": monday + HOUR,
        "monday-late": monday + 23 * HOUR,
        "sunday-noon": monday + 6 * DAY + 12 * HOUR,
        "sunday-after": monday + 6 * DAY + 12 * HOUR + 60,
        "next-monday": monday + WEEK,
    }
    none = {"last": 0, "hourly": 0, "daily": 0, "weekly": 0}
    assert keep(taken, (), {**none, "hourly": 2}) == {"next-monday", "sunday-after"}
    assert keep(taken, (), {**none, "daily": 3}) == {"next-monday", "sunday-after", "monday-late"}
    assert keep(taken, (), {**none, "weekly": 2}) == {"next-monday", "sunday-after"}
    assert keep(taken, ("monday-early",), {**none, "last": 2}) == {"next-monday", "sunday-after", "monday-early"}
