import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sloth.adapters.artifacts.store import Store
from sloth.errors import MachinesError

ROOT = Path(__file__).resolve().parents[4]


def sha(data):
    return hashlib.sha256(data).hexdigest()


def everything(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_what_is_put_is_found_under_its_digest(store):
    blob = store.put([b"ab", b"c"], expect=sha(b"abc"))
    assert store.get(sha(b"abc")) == blob
    assert blob.path.read_bytes() == b"abc"
    assert blob.size == 3
    assert store.get(sha(b"other")) is None


def test_wrong_content_is_refused_and_leaves_nothing(store, tmp_path):
    before = everything(tmp_path)
    with pytest.raises(MachinesError) as caught:
        store.put([b"evil"], expect=sha(b"good"), what="https://example.com/kubelet")
    assert caught.value.code == "artifacts/wrong-content"
    assert "https://example.com/kubelet" in caught.value.summary
    assert sha(b"evil") in caught.value.detail
    assert sha(b"good") in caught.value.detail
    assert [name for name in everything(tmp_path) if "locks" not in name] == before


def test_a_broken_stream_leaves_nothing(store, tmp_path):
    def chunks():
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.put(chunks())
    assert not [name for name in everything(tmp_path) if "blobs" in name or "tmp/" in name]


def test_a_blob_that_was_written_to_is_noticed_even_at_equal_size(store):
    blob = store.put([b"good"])
    blob.path.write_bytes(b"evil")
    assert store.get(blob.sha256) is None
    assert not blob.path.exists()


def test_a_blob_that_was_only_touched_is_kept(store):
    blob = store.put([b"good"])
    os.utime(blob.path)
    assert store.get(blob.sha256) == blob
    assert blob.path.stat().st_mtime == 1_000_000_000


def test_adopted_files_move(store):
    with store.scratch() as folder:
        (folder / "x").write_bytes(b"made")
        blob = store.adopt(folder / "x", expect=sha(b"made"))
        assert not (folder / "x").exists()
    assert store.get(sha(b"made")) == blob


def test_keys_and_notes(store):
    assert store.recall("key") is None
    blob = store.put([b"x"])
    store.remember("key", blob)
    assert store.recall("key") == blob
    blob.path.unlink()
    assert store.recall("key") is None
    assert store.note("seconds") == ""
    assert store.note("seconds", "12.5") == store.note("seconds") == "12.5"


def test_scratch_folders_of_the_living_are_left_alone(store):
    with store.scratch() as one, store.scratch() as two:
        assert one.is_dir()
        assert two.is_dir()
    assert not one.exists()
    assert not two.exists()


def test_what_a_killed_process_left_goes_with_the_next(store, tmp_path):
    code = (
        "import sys,time; from pathlib import Path; from sloth.adapters.artifacts.store import Store\n"
        "def slow():\n"
        "    yield b'half'; sys.stdout.write('ready\\n'); sys.stdout.flush(); time.sleep(60)\n"
        "Store(Path(sys.argv[1])).put(slow())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "cache")],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout.readline() == b"ready\n"
    assert len(list((tmp_path / "cache/tmp").iterdir())) == 1
    with store.scratch():
        assert len(list((tmp_path / "cache/tmp").iterdir())) == 2  # its owner lives
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert len(list((tmp_path / "cache/tmp").iterdir())) == 1
    with store.scratch():
        assert len(list((tmp_path / "cache/tmp").iterdir())) == 1
    assert list((tmp_path / "cache/tmp").iterdir()) == []
    assert not any((tmp_path / "cache/blobs").rglob("*"))


def test_many_at_once_on_the_same_content(store, tmp_path):
    stores = [Store(tmp_path / "cache") for _ in range(4)]
    content = b"z" * 100_000
    threads = [threading.Thread(target=lambda each=each: [each.put([content]) for _ in range(5)]) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(sha(content)).path.read_bytes() == content


def test_alone_makes_others_wait(store):
    order = []

    def other():
        with store.alone("x"):
            order.append("other")

    with store.alone("x"):
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]
