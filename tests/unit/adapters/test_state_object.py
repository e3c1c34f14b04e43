"""What only an object store can do: lose an answer, be away, refuse; and what a run that is killed leaves there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from sloth.adapters import object_lock, owner
from sloth.adapters.object_store import Conflict, ObjectStore, connect
from sloth.adapters.object_url import StateUrl, parse_url
from sloth.adapters.owner import parse_owner, this_process
from sloth.adapters.passphrase import KEY_PREFIX
from sloth.adapters.state_object import StateObject
from sloth.errors import StateError
from sloth.model.record import Record
from sloth.model.secret import Secret
from tests.unit.adapters.aws_server import BUCKET, AwsServer

KEY = Secret(KEY_PREFIX + "k" * 43)
RECORD = f"/{BUCKET}/team/clusters/demo/record.sloth"
LOCK = f"/{BUCKET}/team/clusters/demo/lock"


@pytest.fixture
def store(aws: AwsServer) -> ObjectStore:
    return connect(parse_url(f"s3://{BUCKET}/team?endpoint={aws.url}"))


@pytest.fixture
def state(store: ObjectStore, tmp_path: Path) -> StateObject:
    return StateObject(store, "demo", lambda: KEY, tmp_path)


def again(store: ObjectStore, tmp_path: Path) -> StateObject:
    return StateObject(store, "demo", lambda: KEY, tmp_path)


def refused(code: str, work: Callable[[], object]) -> StateError:
    with pytest.raises(StateError) as caught:
        work()
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


def on(method: str, path: str, what: str, times: int = 1) -> Callable[[str, str], str | None]:
    """A fault for the first `times` requests of that kind."""
    left = [times]

    def ask(asked: str, at: str) -> str | None:
        if (asked, at) != (method, path) or not left[0]:
            return None
        left[0] -= 1
        return what

    return ask


def test_a_save_whose_answer_is_lost_is_saved_once(aws: AwsServer, state: StateObject) -> None:
    """The store has it; the library asks again and is refused, because the object is not the expected one any more."""
    record = state.save(Record(cluster="demo"))
    aws.faults.append(on("PUT", RECORD, "lost"))
    after = state.save(replace(record, ssh_public_key="x"))
    assert after.revision == 2
    assert state.load() == after
    assert aws.requests.count(("PUT", RECORD)) == 3


def test_the_first_save_and_the_lock_survive_a_lost_answer_too(aws: AwsServer, state: StateObject) -> None:
    aws.faults += [on("PUT", RECORD, "lost"), on("PUT", LOCK, "lost")]
    state.lock("up")
    record = state.save(Record(cluster="demo"))
    assert state.load() == record
    state.unlock()
    assert state.holder == ""


def test_when_no_answer_comes_at_all_the_run_says_so_and_the_next_goes_on(
    aws: AwsServer, state: StateObject, store: ObjectStore, tmp_path: Path
) -> None:
    record = state.save(Record(cluster="demo"))
    aws.faults.append(lambda method, path: "refused" if path == RECORD else None)
    refused("state/denied", lambda: state.save(record))
    refused("state/denied", state.load)
    aws.faults.clear()
    assert again(store, tmp_path).load() == record


def test_a_store_that_is_away_is_named(aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sloth.adapters.object_store._RETRIES", 0)
    away = connect(parse_url(f"s3://{BUCKET}?endpoint=http://127.0.0.1:1"))
    state = StateObject(away, "demo", lambda: KEY, tmp_path)
    error = refused("state/unreachable", state.load)
    assert error.where == f"s3://{BUCKET}/clusters/demo/record.sloth"
    refused("state/unreachable", lambda: state.lock("up"))


def test_a_bucket_that_is_not_there_is_no_new_cluster(aws: AwsServer, tmp_path: Path) -> None:
    state = StateObject(connect(parse_url(f"s3://no-such-bucket?endpoint={aws.url}")), "demo", lambda: KEY, tmp_path)
    for work in (state.load, lambda: state.lock("up"), lambda: state.save(Record(cluster="demo"))):
        assert "no-such-bucket" in refused("state/no-bucket", work).summary


def test_a_silent_owner_elsewhere_is_replaced_after_a_minute_of_the_stores_clock(
    aws: AwsServer, state: StateObject, store: ObjectStore
) -> None:
    """Whatever the owner's clock said: one is a day ahead, one a day behind."""
    for skew in (86400, -86400):
        theirs = replace(this_process("up"), host="far", place="p", heartbeat=time.time() + skew, since=time.time() + skew)
        store.overwrite("clusters/demo/lock", theirs.as_json())
        refused("state/locked", lambda: state.lock("down"))
        refused("state/owner-alive", lambda: state.unlock(force=True))
        aws.backdate("team/clusters/demo/lock", owner.EXPIRY - 5)
        refused("state/locked", lambda: state.lock("down"))
        aws.backdate("team/clusters/demo/lock", 10)
        state.lock("down")
        assert "far" in state.note
        state.unlock()


def test_unlock_takes_away_an_expired_lock_only(aws: AwsServer, state: StateObject, store: ObjectStore) -> None:
    state.unlock(force=True)  # there is none
    store.overwrite("clusters/demo/lock", replace(this_process("up"), host="far", place="p").as_json())
    refused("state/owner-alive", lambda: state.unlock(force=True))
    aws.backdate("team/clusters/demo/lock", owner.EXPIRY + 5)
    state.unlock(force=True)
    assert state.holder == ""
    state.unlock(force=True)


def test_a_lock_that_is_renewed_while_it_is_broken_open_stays(
    aws: AwsServer, state: StateObject, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their heartbeat comes between our look and our change."""
    theirs = replace(this_process("up"), host="far", place="p")
    store.overwrite("clusters/demo/lock", theirs.as_json())
    aws.backdate("team/clusters/demo/lock", owner.EXPIRY + 5)
    real = ObjectStore.put

    def late(self: ObjectStore, path: str, data: bytes, expected: object) -> object:
        monkeypatch.setattr(ObjectStore, "put", real)
        store.overwrite("clusters/demo/lock", replace(theirs, heartbeat=time.time()).as_json())
        return real(self, path, data, expected)  # type: ignore[arg-type]

    for work in (lambda: state.lock("down"), lambda: state.unlock(force=True)):
        aws.backdate("team/clusters/demo/lock", owner.EXPIRY + 5)
        monkeypatch.setattr(ObjectStore, "put", late)
        with pytest.raises(StateError):
            work()
        held = parse_owner((store.get("clusters/demo/lock") or pytest.fail("gone")).data)
        assert theirs.same_run(held)


def beats(state: StateObject, times: int) -> None:
    """Wait until the heartbeat was written that often."""
    lock = state._own_lock
    for _ in range(times):
        before = lock._object
        while lock._object is before:
            time.sleep(0.005)


def test_the_heartbeat_renews_the_lock_through_lost_answers_and_errors(
    aws: AwsServer, state: StateObject, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_lock, "HEARTBEAT", 0.02)
    state.lock("up")
    first = store.get("clusters/demo/lock")
    beats(state, 2)
    aws.faults.append(on("PUT", LOCK, "lost"))
    beats(state, 1)
    aws.faults.append(on("PUT", LOCK, "refused", 2))
    beats(state, 2)
    assert first != store.get("clusters/demo/lock")
    held = state.owner()
    assert held and held.heartbeat > held.since
    state.save(Record(cluster="demo"))
    state.unlock()
    assert state.holder == ""


def test_a_heartbeat_does_not_take_back_what_was_taken(
    state: StateObject, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_lock, "HEARTBEAT", 0.02)
    state.lock("up")
    store.overwrite("clusters/demo/lock", replace(this_process("down"), host="far", place="p").as_json())
    beating = state._own_lock._beating
    assert beating
    beating.join(30)
    assert not beating.is_alive()
    assert "far" in state.holder
    refused("state/lock-lost", lambda: state.save(Record(cluster="demo")))
    state.unlock()
    assert "far" in state.holder


def test_a_heartbeat_that_the_store_put_off_does_not_keep_the_lock(state: StateObject, store: ObjectStore) -> None:
    state.lock("up")
    mine = state.owner()
    assert mine
    store.overwrite("clusters/demo/lock", replace(mine, heartbeat=mine.heartbeat + 1).as_json())
    state.unlock()
    assert state.holder == ""


def test_who_is_never_quick_enough_is_told(state: StateObject, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> object:
        raise Conflict(None)

    monkeypatch.setattr(ObjectStore, "put", late)
    assert "others" in refused("state/locked", lambda: state.lock("up")).summary
    assert state.owner() is None


def test_at_the_end_of_the_process_a_store_that_is_away_is_no_traceback(
    aws: AwsServer, state: StateObject, caplog: pytest.LogCaptureFixture
) -> None:
    state.lock("up")
    aws.faults.append(lambda method, path: "refused")
    state._own_lock._at_exit()
    assert "could not be given back" in caplog.text
    aws.faults.clear()
    assert state.holder != ""  # it is taken over as any dead owner's


def test_a_child_of_a_fork_does_not_give_the_lock_back(aws: AwsServer, state: StateObject) -> None:
    state.lock("up")
    lock, mine = state._own_lock, state.owner()
    assert mine
    lock._mine = replace(mine, pid=mine.pid + 1)  # as the child sees it
    state.unlock()
    assert mine.same_run(state.owner())
    lock._mine = mine
    state.unlock()
    assert state.holder == ""


def test_two_saves_from_one_look_are_one_save(state: StateObject, store: ObjectStore, tmp_path: Path) -> None:
    """The condition is the store's: the second is refused there, not only by what was read."""
    record = state.save(Record(cluster="demo"))
    other = again(store, tmp_path)
    found = store.get("clusters/demo/record.sloth")
    assert other.save(replace(record, ssh_public_key="theirs"))
    with pytest.raises(Conflict):
        store.put("clusters/demo/record.sloth", b"late", found)
    state._found = found
    with pytest.raises(StateError) as caught, state._changing():
        state._replace(b"late", 1)
    assert caught.value.code == "state/changed-meanwhile"
    loaded = other.load()
    assert loaded and loaded.ssh_public_key == "theirs"


def test_deleting_takes_what_lies_on_this_machine_along_but_no_other_state(store: ObjectStore, tmp_path: Path) -> None:
    for name, left in (("journal.jsonl", False), ("record.sloth", True)):
        local = tmp_path / "clusters" / "demo"
        local.mkdir(parents=True, exist_ok=True)
        (local / name).write_text("x")
        state = again(store, tmp_path)
        state.save(Record(cluster="demo"))
        state.delete()
        assert local.exists() is left


def test_the_way_back_from_damage_is_a_command_that_works(state: StateObject, store: ObjectStore) -> None:
    record = state.save(state.save(state.save(Record(cluster="demo"))))
    store.overwrite("clusters/demo/record.sloth", b"rubbish")
    store.overwrite("clusters/demo/record.2.sloth", b"rubbish too")
    assert refused("state/damaged", state.load).hint == "sloth state rollback 1 --cluster demo"
    assert state.restore(state.revision(1)).revision == record.revision + 1


def test_a_cluster_needs_a_proper_name(tmp_path: Path) -> None:
    from sloth.errors import UsageError

    with pytest.raises(UsageError):
        StateObject(ObjectStore(MemoryStore(), StateUrl("memory", "m", "", {})), "../other", lambda: KEY, tmp_path)


def test_ctrl_c_is_heard_while_a_store_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is still open when we are out of it."""
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "some-secret-key", "AWS_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    asked: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def interrupt() -> None:
            asked.append(silent.accept()[0])
            asked[0].recv(1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        store = connect(parse_url(f"s3://{BUCKET}?endpoint=http://127.0.0.1:{silent.getsockname()[1]}"))
        with pytest.raises(KeyboardInterrupt):
            store.get("anything")
        asked[0].setblocking(False)
        with pytest.raises(BlockingIOError):
            while asked[0].recv(65536):
                pass
            pytest.fail("the library had given up by itself")
        asked[0].close()


SAVER = """
import sys
from dataclasses import replace
from pathlib import Path
from sloth.adapters.object_store import connect
from sloth.adapters.object_url import parse_url
from sloth.adapters.passphrase import KEY_PREFIX
from sloth.adapters.state_object import StateObject
from sloth.model.record import Record
from sloth.model.secret import Secret
state = StateObject(connect(parse_url(sys.argv[1])), "demo", lambda: Secret(KEY_PREFIX + "k" * 43), Path(sys.argv[2]))
sys.stdin.readline()
state.lock("up")
record = state.load() or Record(cluster="demo")
state.save(replace(record, ssh_public_key="after"))
state.unlock()
"""


def test_killed_at_any_request_the_record_is_the_old_or_the_new_one_and_the_next_run_goes_on(
    aws: AwsServer, state: StateObject, store: ObjectStore, tmp_path: Path
) -> None:
    """Before the store does what it is asked, and after it did."""
    state.save(state.save(Record(cluster="demo", ssh_public_key="before")))
    outcomes = set()
    number, done = 0, False
    while not done:
        for after in (False, True):
            before = state.load()
            assert before
            before = state.save(replace(before, ssh_public_key="before"))
            child = subprocess.Popen(
                [sys.executable, "-c", SAVER, f"s3://{BUCKET}/team?endpoint={aws.url}", str(tmp_path)],
                stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )  # fmt: skip
            left = [number + 1]

            def kill(
                method: str, path: str, child: subprocess.Popen[bytes] = child, left: list[int] = left, after: bool = after
            ) -> str | None:
                left[0] -= 1
                if left[0] != 0:
                    return None
                child.send_signal(signal.SIGKILL)
                child.wait()
                return None if after else "refused"

            aws.faults.append(kill)
            child.communicate(b"go\n", timeout=120)
            aws.faults.clear()
            loaded = state.load()
            assert loaded in (before, replace(before, revision=before.revision + 1, ssh_public_key="after"))
            outcomes.add((child.returncode, loaded == before))
            done = child.returncode == 0
            state.lock("up")  # a dead owner on this host is replaced at once
            state.unlock()
        number += 1
    assert outcomes == {(-signal.SIGKILL, True), (-signal.SIGKILL, False), (0, False)}
    assert number > 5
