"""What must hold of every place for records: a directory, a store in memory, buckets of S3 and GCS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from sloth.adapters import keeper, object_lock, owner
from sloth.adapters.crypt import seal
from sloth.adapters.keeper import Keeper
from sloth.adapters.object_store import ObjectStore, connect
from sloth.adapters.object_url import StateUrl, parse_url
from sloth.adapters.owner import parse_owner, this_process
from sloth.adapters.passphrase import KEY_PREFIX
from sloth.adapters.record_json import dump
from sloth.adapters.state_file import StateFile, list_clusters
from sloth.adapters.state_object import StateObject, clusters_in
from sloth.errors import StateError
from sloth.model.record import SCHEMA, Record
from sloth.model.secret import Secret
from tests.unit.adapters import gcs_server
from tests.unit.adapters.aws_server import BUCKET, AwsServer

KEY = Secret(KEY_PREFIX + "k" * 43)
OTHER = Secret(KEY_PREFIX + "o" * 43)


@dataclass
class Place:
    """One kind of place, seen from outside."""

    open: Callable[..., Keeper]  # (cluster="demo", key=KEY)
    read: Callable[[str], bytes | None]  # by name: record.sloth, lock …
    write: Callable[[str, bytes], None]
    remove: Callable[[str], None]
    names: Callable[[], set[str]]
    clusters: Callable[[], list[str]]


def directory(root: Path) -> Place:
    folder = root / "clusters" / "demo"

    def write(name: str, data: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    return Place(
        open=lambda cluster="demo", key=KEY: StateFile(root, cluster, lambda: key),
        read=lambda name: (folder / name).read_bytes() if (folder / name).exists() else None,
        write=write,
        remove=lambda name: (folder / name).unlink(),
        names=lambda: {path.name for path in folder.glob("*")} - {"guard", "record.guard"},
        clusters=lambda: list_clusters(root),
    )


def objects(store: ObjectStore, data: Path) -> Place:
    def read(name: str) -> bytes | None:
        found = store.get(f"clusters/demo/{name}")
        return found.data if found else None

    return Place(
        open=lambda cluster="demo", key=KEY: StateObject(store, cluster, lambda: key, data),
        read=read,
        write=lambda name, text: store.overwrite(f"clusters/demo/{name}", text),
        remove=lambda name: store.delete(f"clusters/demo/{name}"),
        names=lambda: set(store.names("clusters/demo")) - {"clock"},
        clusters=lambda: clusters_in(store),
    )


@pytest.fixture
def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with gcs_server.serving(tmp_path / "account.json") as url:
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
        monkeypatch.setenv("AWS_ENDPOINT", url)  # plain HTTP is allowed where a variable says it
        yield f"gs://{gcs_server.BUCKET}/team/a"


@pytest.fixture(params=["file", "memory", "s3", "gs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return directory(tmp_path)
    if request.param == "memory":
        return objects(ObjectStore(MemoryStore(), StateUrl("memory", "here", "", {})), tmp_path)
    if request.param == "gs":
        return objects(connect(parse_url(request.getfixturevalue("gcs"))), tmp_path)
    aws: AwsServer = request.getfixturevalue("aws")
    return objects(connect(parse_url(f"s3://{BUCKET}/team/a?region=us-east-1&endpoint={aws.url}")), tmp_path)


def saved(state: Keeper, times: int = 1) -> Record:
    record = state.load() or Record(cluster="demo")
    for _ in range(times):
        record = state.save(replace(record, ssh_public_key=f"key {record.revision + 1}"))
    return record


def refused(code: str, work: Callable[[], object]) -> StateError:
    with pytest.raises(StateError) as caught:
        work()
    assert (caught.value.code, caught.value.exit) == (code, 16)
    assert caught.value.hint
    assert caught.value.where
    return caught.value


def elsewhere(verb: str = "up") -> bytes:
    """The lock of an owner on another host."""
    return replace(this_process(verb), user="ann", host="far-away", place="another", pid=7).as_json()


def test_what_is_saved_is_loaded_by_another(place: Place) -> None:
    assert place.open().load() is None
    assert place.names() == set()
    record = place.open().save(Record(cluster="demo", mesh_seed=Secret("the-seed-of-it-all")))
    assert record.revision == 1
    assert place.open().load() == record


def test_a_stale_revision_is_refused_and_what_is_there_is_kept(place: Place) -> None:
    first = saved(place.open())
    newer = place.open().save(replace(first, ssh_public_key="other"))
    refused("state/changed-meanwhile", lambda: place.open().save(first))
    refused("state/changed-meanwhile", lambda: place.open().save(Record(cluster="demo")))
    refused("state/changed-meanwhile", lambda: place.open().save(Record(cluster="other", revision=2)))
    assert place.open().load() == newer


def test_of_writers_who_race_each_accepted_save_is_in_the_end(place: Place) -> None:
    place.open().save(Record(cluster="demo"))
    failures: list[BaseException] = []
    line = threading.Barrier(4)

    def write(number: int) -> None:
        state, won = place.open(), 0
        line.wait()
        while won < 4:
            try:
                record = state.load()
                assert record
                state.save(replace(record, runs=(*record.runs, {"by": number})))
                won += 1
            except StateError as error:
                if error.code != "state/changed-meanwhile":
                    failures.append(error)
                    return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    record = place.open().load()
    assert record
    assert record.revision == 17
    assert sorted(run["by"] for run in record.runs) == sorted([0, 1, 2, 3] * 4)


def test_ten_older_revisions_are_kept(place: Place) -> None:
    saved(place.open(), 14)
    assert place.names() == {"record.sloth", *(f"record.{number}.sloth" for number in range(4, 14))}
    assert [version.revision for version in place.open().versions()] == list(range(14, 3, -1))


@pytest.mark.parametrize("damage", [lambda x: x[:-1], lambda x: b"rubbish", lambda x: b"", lambda x: x[:40] + b"?" + x[41:]])
def test_a_damaged_record_is_never_overwritten_and_the_way_back_is_named(place: Place, damage: Callable[[bytes], bytes]) -> None:
    saved(place.open(), 3)
    good = place.read("record.sloth")
    assert good
    place.write("record.sloth", damage(good))
    error = refused("state/damaged", place.open().load)
    assert "2" in error.hint
    refused("state/damaged", lambda: place.open().save(Record(cluster="demo", revision=3)))
    assert place.read("record.sloth") == damage(good)


def test_a_lost_record_is_not_taken_for_a_new_cluster(place: Place) -> None:
    saved(place.open(), 3)
    place.remove("record.sloth")
    refused("state/damaged", place.open().load)
    refused("state/damaged", lambda: place.open().save(Record(cluster="demo")))


def test_another_passphrase_is_named_as_such_and_nothing_is_overwritten(place: Place) -> None:
    record = saved(place.open())
    stranger = place.open(key=OTHER)
    refused("state/wrong-passphrase", stranger.load)
    refused("state/wrong-passphrase", lambda: stranger.save(Record(cluster="demo", revision=1)))
    assert place.open().load() == record


def test_a_newer_schema_is_refused_and_kept_by_a_restore_too(place: Place) -> None:
    blob = seal(b"whatever they do then", KEY, {"schema": SCHEMA + 1, "cluster": "demo", "revision": 1})
    place.write("record.sloth", blob)
    refused("state/newer", place.open().load)
    refused("state/newer", lambda: place.open().save(Record(cluster="demo")))
    refused("state/newer", lambda: place.open().restore(Record(cluster="demo")))
    assert place.read("record.sloth") == blob


def test_a_record_of_another_cluster_in_this_place_is_refused(place: Place) -> None:
    place.write("record.sloth", seal(dump(Record(cluster="two")), KEY, {"schema": SCHEMA, "cluster": "two", "revision": 1}))
    assert "cluster two" in refused("state/other-cluster", place.open().load).summary


def test_a_version_says_when_and_who_and_why_without_being_opened(place: Place) -> None:
    state = place.open()
    state.lock("up")
    saved(state, 2)
    state.unlock()
    newest, older = place.open(key=OTHER).versions()
    assert (newest.revision, newest.current, newest.verb, newest.damaged) == (2, True, "up", False)
    assert (older.revision, older.current) == (1, False)
    assert "@" in newest.by
    assert newest.saved.endswith("+00:00")
    assert newest.size == len(place.read("record.sloth") or b"")


def test_an_older_revision_is_restored_as_a_new_one(place: Place) -> None:
    state = place.open()
    saved(state, 3)
    again = state.restore(state.revision(1))
    assert (again.revision, again.ssh_public_key) == (4, "key 1")
    assert place.open().load() == again
    assert [version.revision for version in state.versions()] == [4, 3, 2, 1]
    refused("state/no-revision", lambda: state.revision(9))


def test_restoring_goes_over_a_record_that_is_damaged_or_lost(place: Place) -> None:
    state = place.open()
    saved(state, 3)
    place.write("record.sloth", b"rubbish")
    assert state.versions()[0].damaged
    assert state.restore(state.revision(2)).revision == 4
    place.remove("record.sloth")
    refused("state/no-revision", state.sealed)
    again = state.restore(state.revision(2))
    assert (again.revision, again.ssh_public_key) == (5, "key 2")
    assert saved(state).revision == 6


def test_restoring_where_there_is_nothing_makes_the_first_revision(place: Place) -> None:
    assert place.open().restore(Record(cluster="demo", revision=40)).revision == 1


def test_the_lock_is_held_by_one_and_given_back(place: Place) -> None:
    one, two = place.open(), place.open()
    one.lock("up")
    error = refused("state/locked", lambda: two.lock("down"))
    assert "sloth up" in error.summary
    assert one.holder == two.holder != ""
    refused("state/owner-alive", lambda: two.unlock(force=True))
    two.unlock()  # not theirs
    refused("state/locked", lambda: two.lock("down"))
    one.unlock()
    one.unlock()
    assert two.holder == ""
    two.lock("down")
    two.unlock()


def test_of_many_who_want_the_lock_at_once_exactly_one_has_it(place: Place) -> None:
    states = [place.open() for _ in range(6)]
    line = threading.Barrier(6)
    codes: list[str] = []

    def take(state: Keeper) -> None:
        line.wait()
        try:
            state.lock("up")
            codes.append("")
        except StateError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=take, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["", *["state/locked"] * 5]
    for state in states:
        state.unlock()


def test_a_dead_owner_of_this_host_is_replaced_at_once(place: Place) -> None:
    place.write("lock", replace(this_process("up"), started="1").as_json())  # the pid is another process's by now
    state = place.open()
    state.lock("down")
    assert "which died" in state.note
    state.unlock()


def test_an_owner_on_another_host_whose_heartbeat_is_fresh_lives(place: Place) -> None:
    place.write("lock", elsewhere())
    state = place.open()
    error = refused("state/locked", lambda: state.lock("down"))
    assert "ann on far-away (pid 7, `sloth up`)" in error.summary
    refused("state/owner-alive", lambda: state.unlock(force=True))
    assert place.read("lock") is not None


def test_a_lock_that_was_half_written_is_nobodys(place: Place) -> None:
    place.write("lock", b'{"user": "an')
    state = place.open()
    state.lock("up")
    state.unlock()


def test_after_the_lock_was_taken_away_nothing_is_saved(place: Place) -> None:
    state = place.open()
    record = saved(state)
    state.lock("up")
    place.write("lock", elsewhere("down"))
    error = refused("state/lock-lost", lambda: state.save(record))
    assert "far-away" in error.summary
    refused("state/lock-lost", lambda: state.restore(record))
    assert place.open().load() == record
    state.unlock()
    held = parse_owner(place.read("lock") or b"")
    assert held and held.host == "far-away"  # theirs is left alone


def test_deleting_leaves_nothing_and_twice_is_no_error(place: Place) -> None:
    state = place.open()
    saved(state, 3)
    state.lock("down")
    state.delete()
    state.unlock()
    assert place.names() == set()
    assert place.open().load() is None
    assert place.clusters() == []
    place.open().delete()
    assert place.names() == set()


def test_what_another_works_on_is_not_deleted(place: Place) -> None:
    saved(place.open())
    place.write("lock", elsewhere())
    refused("state/locked", lambda: place.open().delete())
    assert place.open().load()


def test_clusters_are_listed_lost_and_damaged_ones_too(place: Place) -> None:
    assert place.clusters() == []
    for name in ("zebra", "ant", "demo"):
        state = place.open(name)
        state.save(state.save(Record(cluster=name)))
    place.remove("record.sloth")
    locked = place.open("only-locked")
    locked.lock("up")
    assert place.clusters() == ["ant", "demo", "zebra"]
    locked.unlock()


def test_no_secret_is_in_plain_in_anything_that_is_kept(place: Place) -> None:
    secrets = [Secret("sword-fish-sword-fish"), Secret("-----BEGIN KEY-----\nabcdefgh12345678\n"), Secret("seed-of-many-keys")]
    state = place.open()
    state.lock("up")
    record = Record(
        cluster="demo", kubeconfig=secrets[0], ssh_key=secrets[1], mesh_seed=secrets[2], document={"a": "plain words"}
    )
    for _ in range(3):
        record = state.save(record)
    kept = b"".join(place.read(name) or b"" for name in place.names())
    state.unlock()
    assert len(kept) > 1000
    for word in (b"sword-fish", b"abcdefgh12345678", b"seed-of-many", b"plain words", KEY.reveal().encode()):
        assert word not in kept


def test_a_bucket_of_gcs_that_is_not_there_is_named(gcs: str) -> None:
    store = connect(parse_url("gs://no-such-bucket/team"))
    for work in (lambda: store.get("x"), lambda: store.put("x", b"1", None), lambda: store.names("x")):
        refused("state/no-bucket", work)


def test_keeper_and_lock_agree_on_their_figures() -> None:
    assert object_lock.HEARTBEAT * 3 < owner.EXPIRY  # two lost heartbeats do not lose a lock
    assert keeper.KEPT == 10
