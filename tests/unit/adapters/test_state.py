"""What finer tests of state leave to chance: every byte, a file that may not grow, a dead owner nobody waited for."""

import dataclasses
import os
import resource
import signal
import time

import pytest

from sloth.adapters import crypt
from sloth.adapters.lock_file import LockFile
from sloth.adapters.passphrase import passphrase
from sloth.adapters.state_file import StateFile
from sloth.errors import StateError
from sloth.model.record import Record
from sloth.model.secret import Secret
from tests.unit.procs import fork, wait

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("SLOTH_PASSPHRASE", "SLOTH_PASSPHRASE_FILE", "SLOTH_KEYRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(crypt, "_COST", 1 << 4)  # stretching is not what is tested here


def state(root):
    return StateFile(root, "demo", lambda: passphrase(root))


def failure(code, work):
    with pytest.raises(StateError) as caught:
        work()
    assert caught.value.code == code
    return caught.value


def saved(root, count):
    here, record = state(root), Record(cluster="demo", ssh_key=Secret("very secret key", known=False))
    for number in range(count):
        record = here.save(dataclasses.replace(record, kubernetes_version=f"v{number}"))
    return here, record


@pytest.mark.parametrize("words", [None, "correct horse battery"])
def test_every_flipped_and_every_missing_byte_is_noticed_and_left_alone(tmp_path, monkeypatch, words):
    if words:
        monkeypatch.setenv("SLOTH_PASSPHRASE", words)
    _, record = saved(tmp_path, 3)
    path = tmp_path / "clusters" / "demo" / "record.sloth"
    good = path.read_bytes()
    here = state(tmp_path)
    damaged = [good[:n] + bytes([good[n] ^ 1 << n % 8]) + good[n + 1 :] for n in range(len(good))]
    damaged += [good[:n] for n in range(len(good))] + [good + b"\n", good * 2]
    for blob in damaged:
        path.write_bytes(blob)
        error = failure("state/damaged", here.load)
        assert error.hint == f"cp {path.with_name('record.2.sloth')} {path}"
    failure("state/damaged", lambda: here.save(record))
    assert path.read_bytes() == damaged[-1]
    path.write_bytes(good)
    assert here.load() == record


def test_a_file_that_may_not_grow_leaves_the_old_record(tmp_path):
    here, record = saved(tmp_path, 2)

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
        failure("state/disk-full", lambda: state(tmp_path).save(record))

    assert wait(fork(work)) == 0
    assert not list((tmp_path / "clusters" / "demo").glob("*.new"))
    assert not list((tmp_path / "clusters" / "demo").glob(".*.new"))
    assert here.load() == record


def test_a_dead_owner_whom_nobody_waited_for_is_dead(tmp_path):
    ready, told = os.pipe()

    def work():
        LockFile(tmp_path / "demo", "demo").take("up")
        os.write(told, b"x")
        time.sleep(600)

    pid = fork(work)
    assert os.read(ready, 1) == b"x"
    os.close(ready), os.close(told)
    here = LockFile(tmp_path / "demo", "demo")
    failure("state/locked", lambda: here.take("up"))
    failure("state/owner-alive", here.break_open)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # a zombie
    here.take("up")
    assert str(pid) in here.note
    here.give_back()
    assert wait(pid) == -signal.SIGKILL
