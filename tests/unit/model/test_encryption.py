"""A rotation of keys, as API servers live through it: at every moment each of them reads all that any of them has written."""

from hypothesis import given
from hypothesis import strategies as st

from sloth.model.encryption import IDENTITY, Encryption, advance, founding, parse, to_identity, to_new_key
from sloth.model.secret import Secret

SEEDS = [Secret(f"{number:064x}", known=False) for number in range(1, 9)]


def stages(now):
    """All states up to the settled one."""
    found = [now]
    while not found[-1].settled:
        found.append(advance(found[-1]))
    return found


def begun(moves):
    """A state reached by whole rotations: to a new key (True), or to plain text (False)."""
    now, seeds = founding(SEEDS[0]), iter(SEEDS[1:])
    for to_key in moves:
        now = stages(to_new_key(now, next(seeds)) if to_key else to_identity(now))[-1]
    return now


STARTS = st.lists(st.booleans(), max_size=4).map(begun)


@given(STARTS, st.booleans(), st.data())
def test_everything_can_be_read_by_every_server_at_every_moment(start, to_key, data):
    """Servers take a stage one after the other; between two stages some have the old one and some the new one."""
    written = {start.providers[0]}  # by whom something that is stored now was written
    path = stages(to_new_key(start, SEEDS[-1]) if to_key else to_identity(start))
    servers = data.draw(st.integers(1, 5))
    configured = [start] * servers
    for stage in path:
        for server in data.draw(st.permutations(range(servers))):
            configured[server] = stage
            written |= {each.providers[0] for each in configured}  # anybody may write at any time
            assert all(written <= set(each.providers) for each in configured), (written, configured)
        if stage.must_rewrite:
            written = {stage.providers[0]}
    assert written == {path[-1].providers[0]}


@given(STARTS)
def test_a_rotation_ends_with_one_new_key_and_no_old_one(start):
    end = stages(to_new_key(start, SEEDS[-1]))[-1]
    assert end.settled
    assert end.on
    assert end.providers == (f"key{start.serial + 1}", IDENTITY)
    assert list(end.keys) == [f"key{start.serial + 1}"]


@given(STARTS)
def test_switching_off_ends_with_plain_text_and_no_key(start):
    end = stages(to_identity(start))[-1]
    assert (end.providers, dict(end.keys), end.on) == ((IDENTITY,), {}, False)


@given(STARTS, st.integers(0, 4))
def test_a_rotation_under_way_is_not_begun_anew(start, steps):
    path = stages(to_new_key(start, SEEDS[-1]))
    half = path[min(steps, len(path) - 2)]
    assert to_new_key(half, SEEDS[-2]) == half
    assert to_identity(half) == half


@given(STARTS)
def test_it_comes_back_from_the_record_as_it_was(start):
    for stage in stages(to_new_key(start, SEEDS[-1])):
        again = parse(stage.dump())
        assert again == stage
        assert {name: key.reveal() for name, key in again.keys.items()} == {
            name: key.reveal() for name, key in stage.keys.items()
        }


def test_a_key_has_32_bytes_and_is_not_in_any_text():
    import base64

    now = founding(SEEDS[0])
    assert base64.b64decode(now.keys["key1"].reveal()) == bytes.fromhex(SEEDS[0].reveal())
    assert now.keys["key1"].reveal() not in f"{now!r} {now.dump()}"
    assert parse(None) is None


def test_a_cluster_with_data_begins_with_plain_text_first():
    path = stages(to_new_key(Encryption(), SEEDS[0]))
    assert [stage.providers for stage in path] == [
        (IDENTITY, "key1"), ("key1", IDENTITY), ("key1", IDENTITY), ("key1", IDENTITY),
    ]  # fmt: skip
    assert [stage.must_rewrite for stage in path] == [False, True, False, False]
